//! What all rivals share: devices and a server whose states are values.

use crate::play::{Aside, Done, Network, System};
use crate::record::{Edit, View};
use std::collections::BTreeMap;

/// A rival.
pub(super) trait Model {
    type Device: Clone;
    type Server: Clone + Default;
    type Request: Clone;
    type Reply;

    /// An installation with nothing in it; each has another number.
    fn device(&self, number: u64) -> Done<Self::Device>;
    /// The installation that opens what was saved or copied.
    fn reopen(&self, saved: &Self::Device, number: u64) -> Done<Self::Device>;
    /// Loses what it knows of the server, and no record.
    fn forget(&self, device: &mut Self::Device) -> Done;
    /// Makes an edit of a record that is there, at a time of the device's clock.
    fn edit(&self, device: &mut Self::Device, at_ms: i64, record: &str, edit: &Edit) -> Done;
    fn view(&self, device: &Self::Device) -> Done<View>;
    fn request(&self, device: &mut Self::Device) -> Done<Self::Request>;
    fn serve(&self, server: &mut Self::Server, request: &Self::Request) -> Done<Self::Reply>;
    fn accept(
        &self,
        device: &mut Self::Device,
        request: &Self::Request,
        reply: &Self::Reply,
    ) -> Done;
    /// What it keeps beside the records, on any of its devices.
    fn aside(&self, device: &Self::Device) -> Done<Aside>;
}

struct Installed<M: Model> {
    device: M::Device,
    ahead_ms: i64,
    awaited: Option<(M::Request, M::Reply)>,
    sent: Option<M::Request>,
    backup: Option<M::Device>,
}

/// A rival, with its server and its devices.
pub(super) struct Rig<M: Model> {
    model: M,
    now_ms: i64,
    server: M::Server,
    backup: Option<M::Server>,
    devices: BTreeMap<String, Installed<M>>,
    /// How many installations there were.
    number: u64,
}

impl<M: Model> Rig<M> {
    pub(super) fn of(model: M) -> Self {
        let (server, backup, devices) = (M::Server::default(), None, BTreeMap::new());
        Self { model, now_ms: 0, server, backup, devices, number: 0 }
    }

    fn at(&mut self, device: &str) -> Done<&mut Installed<M>> {
        Ok(self.devices.get_mut(device).ok_or("no such device")?)
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn install(&mut self, name: &str, device: M::Device) {
        let installed = Installed { device, ahead_ms: 0, awaited: None, sent: None, backup: None };
        self.devices.insert(name.to_owned(), installed);
    }

    fn request(&mut self, device: &str) -> Done<M::Request> {
        let installed = self.devices.get_mut(device).ok_or("no such device")?;
        let request = self.model.request(&mut installed.device)?;
        installed.sent = Some(request.clone());
        Ok(request)
    }
}

impl<M: Model> System for Rig<M> {
    fn device(&mut self, device: &str) -> Done {
        let number = self.next_number();
        let made = self.model.device(number)?;
        self.install(device, made);
        Ok(())
    }

    fn edit(&mut self, device: &str, record: &str, edit: &Edit) -> Done {
        let installed = self.devices.get_mut(device).ok_or("no such device")?;
        let at_ms = self.now_ms + installed.ahead_ms;
        self.model.edit(&mut installed.device, at_ms, record, edit)
    }

    fn view(&mut self, device: &str) -> Done<View> {
        let installed = self.devices.get(device).ok_or("no such device")?;
        self.model.view(&installed.device)
    }

    fn sync(&mut self, device: &str, network: Network) -> Done {
        let request = self.request(device)?;
        if network == Network::LosesRequest {
            return Ok(());
        }
        let reply = self.model.serve(&mut self.server, &request)?;
        if network == Network::LosesReply {
            return Ok(());
        }
        let installed = self.devices.get_mut(device).ok_or("no such device")?;
        self.model.accept(&mut installed.device, &request, &reply)
    }

    fn begin(&mut self, device: &str) -> Done {
        let request = self.request(device)?;
        let reply = self.model.serve(&mut self.server, &request)?;
        self.at(device)?.awaited = Some((request, reply));
        Ok(())
    }

    fn finish(&mut self, device: &str) -> Done {
        let installed = self.devices.get_mut(device).ok_or("no such device")?;
        let (request, reply) = installed.awaited.take().ok_or("nothing is awaited")?;
        self.model.accept(&mut installed.device, &request, &reply)
    }

    fn again(&mut self, device: &str) -> Done {
        let request = self.at(device)?.sent.clone().ok_or("nothing was sent")?;
        self.model.serve(&mut self.server, &request).map(drop)
    }

    fn backup(&mut self, device: &str) -> Done {
        let installed = self.at(device)?;
        installed.backup = Some(installed.device.clone());
        Ok(())
    }

    fn put_back(&mut self, device: &str) -> Done {
        let number = self.next_number();
        let saved = self.at(device)?.backup.take().ok_or("no backup")?;
        let opened = self.model.reopen(&saved, number)?;
        self.install(device, opened);
        Ok(())
    }

    fn copy(&mut self, device: &str, from: &str) -> Done {
        let number = self.next_number();
        let saved = self.at(from)?.device.clone();
        let opened = self.model.reopen(&saved, number)?;
        self.install(device, opened);
        Ok(())
    }

    fn forget(&mut self, device: &str) -> Done {
        let installed = self.devices.get_mut(device).ok_or("no such device")?;
        self.model.forget(&mut installed.device)
    }

    fn clock(&mut self, device: &str, ahead_ms: i64) -> Done {
        self.at(device)?.ahead_ms = ahead_ms;
        Ok(())
    }

    fn server_backup(&mut self) -> Done {
        self.backup = Some(self.server.clone());
        Ok(())
    }

    fn server_restore(&mut self) -> Done {
        self.server = self.backup.take().ok_or("no backup")?;
        Ok(())
    }

    fn server_lose(&mut self) -> Done {
        self.server = M::Server::default();
        Ok(())
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    fn aside(&mut self) -> Done<Aside> {
        let mut all = Aside::default();
        for installed in self.devices.values() {
            let aside = self.model.aside(&installed.device)?;
            all.told.extend(aside.told);
            all.history.extend(aside.history);
        }
        Ok(all)
    }
}
