//! Records as values of Rust types.
//!
//! These are what most apps use. [`Replica::create`], [`Replica::record`] and [`Replica::set`] do
//! the same by names of kinds and fields.

use crate::edit::EditError;
use crate::error::{Error, ErrorKind, Result};
use crate::flaw::{Flaw, Reason};
use crate::replica::Replica;
use haumana_sync::id::RecordId;
use haumana_sync::record::{Record, Value};
use haumana_sync::schema::Kind;
use std::collections::BTreeMap;

impl Replica {
    /// Adds a record.
    ///
    /// The id is random and made here. So other records can refer to it before a server knows it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// let id = replica.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    ///
    /// assert_eq!(1, replica.status().pending, "it waits for the next sync");
    /// # let _ = id;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] names the kind, the field and the reason ([`Error::flaw`]);
    /// [`ErrorKind::NoAccount`] or [`ErrorKind::Storage`].
    pub async fn add<T: Record>(&self, record: &T) -> Result<RecordId> {
        self.check_type::<T>("add").await?;
        self.create(T::KIND, record.to_fields()).await
    }

    /// Returns a record as its user sees it; `None` if there is none, or it is deleted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// let id = replica.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    ///
    /// let song: Song = replica.get(id).await?.ok_or("there is no such song")?;
    /// assert_eq!("Hiʻilawe", song.title);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Replica::add`]. If the id is of a record of another kind, that is no error: it returns
    /// `Ok(None)`.
    pub async fn get<T: Record>(&self, id: RecordId) -> Result<Option<T>> {
        self.check_type::<T>("get").await?;
        let view = self.record(T::key(id)).await?;
        Ok(view.map(|view| T::from_content(&view.content)))
    }

    /// Lists the records of a type as their user sees them, by id.
    ///
    /// Sort in the app, or declare an index and call [`Replica::list_where`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// for title in ["Aloha ʻOe", "Hiʻilawe"] {
    ///     replica.add(&Song { title: title.into(), ..Song::default() }).await?;
    /// }
    ///
    /// let mut titles: Vec<String> =
    ///     replica.list::<Song>().await?.into_iter().map(|(_, song)| song.title).collect();
    /// titles.sort();
    /// assert_eq!(["Aloha ʻOe", "Hiʻilawe"], titles[..]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Replica::add`].
    pub async fn list<T: Record>(&self) -> Result<Vec<(RecordId, T)>> {
        self.check_type::<T>("list").await?;
        let views = self.records(T::key(RecordId::from_bits(0)).kind).await?;
        Ok(views.iter().map(|view| (view.key.id, T::from_content(&view.content))).collect())
    }

    /// Edits a record. Only fields whose value `edit` changes count as edited. An addition to a
    /// counter, or a subtraction, is counted for this device.
    ///
    /// `edit` gets the record as its user sees it, pending edits included. It runs while the
    /// replica is locked, so it must not block. An edit that changes nothing writes nothing.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone: replica, .. } = devices().await;
    /// let id = replica.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    ///
    /// // Only the lyrics count as edited: another device may edit the title meanwhile.
    /// replica.edit(id, |song: &mut Song| song.lyrics = "Kūmaka ka ʻikena".into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, or it is deleted; otherwise as [`Replica::add`].
    pub async fn edit<T: Record>(&self, id: RecordId, edit: impl FnOnce(&mut T)) -> Result<()> {
        self.check_type::<T>("edit").await?;
        let now = self.clock.now();
        self.change("edit", T::key(id), |kind, device, local| {
            let content = local.content(kind).ok_or(EditError::NotFound)?;
            let mut record = T::from_content(&content);
            let before = record.to_fields();
            edit(&mut record);
            let changed = changed(&before, record.to_fields());
            if changed.is_empty() {
                return Ok(());
            }
            let fields = crate::replica::count(kind, device, Some(&content), changed);
            local.edit(kind, fields, now)
        })
        .await
    }

    /// Checks that the type's declaration agrees with the schema.
    async fn check_type<T: Record>(&self, op: &'static str) -> Result<()> {
        let inner = self.lock().await;
        let declared = inner.declared_kind(op, T::KIND)?;
        match difference(&declared, &T::kind()) {
            Some(flaw) => Err(Error::new(op, ErrorKind::Invalid).flawed(flaw)),
            None => Ok(()),
        }
    }
}

fn changed(
    before: &BTreeMap<String, Value>,
    after: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    after.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}

/// What a type declares and the schema does not have. The schema may have more fields, and other
/// limits.
fn difference(schema: &Kind, own: &Kind) -> Option<Flaw> {
    if schema.number() != own.number() {
        return Some(Flaw::of_kind(own.name(), Reason::OtherDeclaration));
    }
    own.fields().iter().find_map(|field| {
        let declared = schema.named(field.name());
        if !declared.is_declared() {
            return Some(Flaw::of_field(schema, field.name(), Reason::NoSuchField));
        }
        let is_same = declared.number() == field.number()
            && declared.field_type().name() == field.field_type().name();
        let flaw = || Flaw::of_field(schema, field.name(), Reason::OtherDeclaration);
        (!is_same).then(flaw)
    })
}
