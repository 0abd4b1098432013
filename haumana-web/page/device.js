// One replica of the page: opened, kept in step with the server, and told of changes.

import init, { PageReplica } from './haumana_web.js';
import { openHost } from './host.js';

const isHidden = () => document.visibilityState === 'hidden';

/** Opens a device. It follows the others while somebody looks, until it is stopped. */
export async function openDevice({ account, schema, server = '', token, name }) {
  await init({ module_or_path: new URL('haumana_web_bg.wasm', import.meta.url) });
  let isOffline = false, isStopped = false, following;
  const host = await openHost({ name, server, token, isOffline: () => isOffline || !navigator.onLine });
  const replica = await PageReplica.open(host, schema);
  await replica.signIn(account);
  const listeners = new Set();
  const tell = (hasRecords) => listeners.forEach((listener) => listener(hasRecords));
  const listen = async (change, hasRecords) => { while (!isStopped) { await change(); tell(hasRecords); } };
  listen(() => replica.changed(), true);
  listen(() => replica.statusChanged(), false);

  // What ends it by itself needs a person: `again` begins it once more.
  const follow = async () => {
    while (!isStopped && !isHidden() && !(await replica.follow().then(() => false, () => true)));
    following = undefined;
  };
  const again = () => {
    // A poll that nobody waits for any more would hold one of the browser's few connections.
    host.cut('/live');
    if (following) replica.unfollow();
    else if (!isHidden()) following = follow();
  };
  // A browser has six connections to a server for all its tabs: one that nobody sees needs none.
  const look = () => { again(); if (isHidden()) sync(); };
  /** Tries at once what a device that is offline tries now and then. */
  const network = () => { if (isOffline || !navigator.onLine) host.cut(); again(); };
  addEventListener('online', network);
  addEventListener('offline', network);
  document.addEventListener('visibilitychange', look);
  again();

  /** Syncs now. One that is under way may have begun too early, and is waited for. */
  const sync = async () => {
    for (;;) {
      try { return await replica.sync(); } catch (why) {
        if (why.name !== 'Busy') return why;
        await new Promise((done) => setTimeout(done, 20));
      }
    }
  };
  return {
    sync,
    onChange: (listener) => listeners.add(listener),
    /** Nobody is told any more. */
    clear: () => listeners.clear(),
    isOffline: () => isOffline,
    setOffline: (value) => { isOffline = value; network(); },
    again,
    isWriter: host.isWriter,
    list: async (kind) => JSON.parse(await replica.list(kind)),
    get: async (kind, id) => JSON.parse(await replica.get(kind, id)),
    add: (kind, fields) => replica.add(kind, JSON.stringify(fields)),
    edit: (kind, id, fields) => replica.edit(kind, id, JSON.stringify(fields)),
    /** Merges what somebody wrote, and what is there now, of the text that they saw. */
    merge: (seen, there, mine) => JSON.parse(replica.mergeText(seen, there, mine)),
    delete: (kind, id) => replica.delete(kind, id),
    status: async () => {
      const status = JSON.parse(await replica.status());
      return { ...status, isFull: status.phase === 'Failed: NoSpace' };
    },
    conflicts: async () => JSON.parse(await replica.conflicts()),
    resolve: async (conflict, how, value) => {
      const { conflictId, kind, id, field } = conflict;
      await replica.resolve(conflictId, kind, id, how, field ?? undefined, value === undefined ? undefined : JSON.stringify(value));
      await sync();
    },
    history: async (kind, id) => JSON.parse(await replica.history(kind, id)),
    restore: async (kind, id, version) => { await replica.restore(kind, id, version); await sync(); },
    export: () => replica.export(),
    import: async (text) => { await replica.import(text); await sync(); },
    erase: async () => {
      await replica.erase();
      // The answer to this sync tells the device of it; until then it forgets nothing.
      const why = await sync();
      if (why?.name !== 'Erased') throw why ?? new Error('not erased');
      await replica.forget();
    },
    /** What becomes here of an account that was erased elsewhere. */
    forget: async () => { await replica.forget(); again(); },
    uploadAsNew: async () => { await replica.uploadAsNew(); again(); },
    stop: () => {
      isStopped = true;
      listeners.clear();
      removeEventListener('online', network);
      removeEventListener('offline', network);
      document.removeEventListener('visibilitychange', look);
      replica.unfollow();
      host.cut();
      host.close();
    },
  };
}
