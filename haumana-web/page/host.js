// What a browser gives to a replica: rows in IndexedDB, and calls over fetch.

/** Makes a host for `PageReplica.open`. `name` is the database, `token` gives the ID token of now. */
export async function openHost({ name = 'haumana', server = '', token, isOffline = () => false }) {
  const db = await openDatabase(name);
  // The last tab that opens a database is its writer: the name of the writer stands in the rows, and
  // each write finds it there or changes nothing.
  const writer = crypto.randomUUID();
  await inTransaction(db, 'readwrite', (rows) => rows.put(writer, 'writer'));
  return {
    load: () => load(db),
    write: (changes) => write(db, writer, JSON.parse(changes)),
    call: (method, path, body) => call(server + path, method, body, token, isOffline),
    isWriter: async () => (await inTransaction(db, 'readonly', (rows) => rows.get('writer'))) === writer,
    close: () => db.close(),
  };
}

function named(name, message) {
  return Object.assign(new Error(message), { name });
}

function openDatabase(name) {
  return new Promise((resolve, reject) => {
    if (!globalThis.indexedDB) return reject(named('NoStorage', 'this browser keeps nothing here'));
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('rows');
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(named('NoStorage', 'this browser keeps nothing here'));
  });
}

/** Runs `work` on the rows in one transaction, and waits until the transaction is on the disk. */
function inTransaction(db, mode, work) {
  return new Promise((resolve, reject) => {
    // Strict: the browser says "complete" after the disk has it, not before.
    const transaction = db.transaction('rows', mode, { durability: 'strict' });
    const request = work(transaction.objectStore('rows'), transaction);
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.why ?? transaction.error ?? named('AbortError'));
  });
}

async function load(db) {
  let keys, texts;
  await inTransaction(db, 'readonly', (rows) => {
    keys = rows.getAllKeys();
    texts = rows.getAll();
  });
  return keys.result.flatMap((key, at) => (key === 'writer' ? [] : [key, texts.result[at]]));
}

function write(db, writer, changes) {
  return inTransaction(db, 'readwrite', (rows, transaction) => {
    const current = rows.get('writer');
    current.onsuccess = () => {
      if (current.result !== writer) {
        transaction.why = named('AnotherTab', 'another tab has this account open');
        return transaction.abort();
      }
      for (const change of changes) apply(rows, change);
    };
  });
}

function apply(rows, { put, remove, removeAll }) {
  if (put) rows.put(put[1], put[0]);
  else if (remove !== undefined) rows.delete(remove);
  else rows.delete(IDBKeyRange.bound(removeAll, removeAll + '\uffff'));
}

async function call(url, method, body, token, isOffline) {
  if (isOffline()) throw named('Offline');
  const headers = { authorization: `Bearer ${await token()}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const answer = await fetch(url, { method, body, headers, redirect: 'error', cache: 'no-store', credentials: 'omit' });
  return [answer.status, await answer.text()];
}
