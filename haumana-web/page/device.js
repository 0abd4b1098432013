// One replica of the page: opened, kept in step with the server, and told of changes.

import init, { PageReplica } from './haumana_web.js';
import { openHost } from './host.js';

const SYNC_EVERY_MS = 4000;

export async function openDevice({ account, schema, token, name }) {
  await init({ module_or_path: new URL('haumana_web_bg.wasm', import.meta.url) });
  let isOffline = false;
  const host = await openHost({ name, token, isOffline: () => isOffline || !navigator.onLine });
  const replica = await PageReplica.open(host, schema);
  await replica.signIn(account);
  const listeners = new Set();
  let syncing = null;
  const tell = () => listeners.forEach((listener) => listener());
  const sync = () => {
    syncing ??= replica.sync().catch((why) => why).finally(() => { syncing = null; tell(); });
    return syncing;
  };
  const later = async (work) => { const answer = await work; tell(); sync(); return answer; };
  const timer = setInterval(() => document.visibilityState === 'visible' && sync(), SYNC_EVERY_MS);
  return {
    sync,
    onChange: (listener) => listeners.add(listener),
    /** Nobody is told any more. */
    clear: () => listeners.clear(),
    isOffline: () => isOffline,
    setOffline: (value) => { isOffline = value; if (!value) sync(); else tell(); },
    isWriter: host.isWriter,
    list: async (kind) => JSON.parse(await replica.list(kind)),
    get: async (kind, id) => JSON.parse(await replica.get(kind, id)),
    add: (kind, fields) => later(replica.add(kind, JSON.stringify(fields))),
    edit: (kind, id, fields) => later(replica.edit(kind, id, JSON.stringify(fields))),
    /** Merges what somebody wrote, and what is there now, of the text that they saw. */
    merge: (seen, there, mine) => JSON.parse(replica.mergeText(seen, there, mine)),
    delete: (kind, id) => later(replica.delete(kind, id)),
    status: async () => JSON.parse(await replica.status()),
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
    erase: async () => { await replica.erase(); await sync(); await replica.forget().catch(() => {}); tell(); },
    stop: () => { clearInterval(timer); listeners.clear(); host.close(); },
  };
}
