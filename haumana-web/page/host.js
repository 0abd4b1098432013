// What a browser gives to a replica: rows in IndexedDB, and calls over fetch.

import { claimsOf } from './token.js';

/** LIMITs of calls, those of every other device: how long the server may take until a reply begins, or
 * send it at less than 1 kB a second; how long it may send nothing; and the bytes of a failure. */
const LIMITS = { patienceMs: 300_000, silenceMs: 60_000, failureBytes: 65_536 };
const SLOWEST_BYTES_PER_SEC = 1000;

/** Makes a host for `PageReplica.open`. `name` is the database, `token` gives the ID token of now, or
 * another one if it is told that the server refused that, of the account that it is told, and `limits` are
 * others than the usual. */
export async function openHost({ name = 'haumana', server = '', token, isOffline = () => false, limits = {} }) {
  const db = await openDatabase(name);
  // The last tab that opens a database is its writer: the name of the writer stands in the rows, and
  // each write finds it there or changes nothing.
  // (`randomUUID` is not there over plain HTTP.)
  const writer = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const calls = new Map();
  const claim = () => inTransaction(db, 'readwrite', (rows) => rows.put(writer, 'writer'));
  // A full disk takes no name, but what it holds is read: `held` is that, until there is space.
  let isClaimed = true, held;
  await claim().catch((why) => {
    if (why.name !== 'QuotaExceededError') throw why;
    isClaimed = false;
  });
  return {
    load: async () => {
      const all = await load(db);
      if (!isClaimed) held = all.join();
      return all;
    },
    write: async (changes) => {
      if (!isClaimed) {
        await claimAsRead(db, writer, held);
        [isClaimed, held] = [true, undefined];
      }
      return write(db, writer, JSON.parse(changes));
    },
    call: async (method, path, body, bytes, account) => {
      let held;
      const send = async (isRefused) => {
        if (isOffline()) throw named('Offline');
        held = await token(isRefused, account, held);
        // Somebody else may have signed in: nothing of this account's is sent as theirs.
        const sub = subOf(held);
        if (sub && `:${account}`.endsWith(`:${sub}`) === false) throw named('NoToken', 'the token is of somebody else');
        return call({ url: server + path, path, method, body, bytes, calls, ...LIMITS, ...limits, token: held });
      };
      const answer = await send(false);
      return answer[0] === 401 ? send(true) : answer;
    },
    /** Ends the calls that are under way, of paths that begin so, as if the network had gone. */
    cut: (start = '') => calls.forEach((path, one) => path.startsWith(start) && one.abort()),
    isWriter: async () => (await inTransaction(db, 'readonly', (rows) => rows.get('writer'))) === writer,
    close: () => db.close(),
  };
}

/** Whose a token is, if it is one that says so. */
function subOf(token) {
  try { return claimsOf(token).sub; } catch { return undefined; }
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

const allOf = (rows) => [rows.getAllKeys(), rows.getAll()];
const pairsOf = ([keys, texts]) => keys.result.flatMap((key, at) => (key === 'writer' ? [] : [key, texts.result[at]]));

async function load(db) {
  let all;
  await inTransaction(db, 'readonly', (rows) => { all = allOf(rows); });
  return pairsOf(all);
}

/** Makes a tab the writer that could not become it at first. The writer of before may have written until
 * now, which this tab has not read: then that one stays the writer. */
function claimAsRead(db, writer, held) {
  return inTransaction(db, 'readwrite', (rows, transaction) => {
    const all = allOf(rows);
    all[1].onsuccess = () => {
      if (pairsOf(all).join() === held) return rows.put(writer, 'writer');
      transaction.why = named('AnotherTab', 'another tab has this account open');
      transaction.abort();
    };
  });
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

async function call({ url, path, method, body, bytes, token, calls, patienceMs, silenceMs, failureBytes }) {
  const cut = new AbortController();
  calls.set(cut, path);
  let timer;
  const within = (ms) => { clearTimeout(timer); timer = setTimeout(() => cut.abort(named('TimeoutError')), ms); };
  try {
    within(patienceMs);
    const headers = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(url, { method, body, headers, redirect: 'error', cache: 'no-store', credentials: 'omit', signal: cut.signal });
    const most = answer.ok ? bytes : failureBytes;
    const text = await read(answer, { most, patienceMs, more: () => within(silenceMs) });
    // A failure that is longer than any of this API is none of its.
    return [answer.status, text ?? '', retryAfterSecs(answer.headers)];
  } finally {
    clearTimeout(timer);
    calls.delete(cut);
    cut.abort();
  }
}

/** The body; nothing if a failure has more than `most` bytes. */
async function read(answer, { most, patienceMs, more }) {
  if (!answer.body) return '';
  const decoder = new TextDecoder(), reader = answer.body.getReader(), from = performance.now();
  let text = '', bytes = 0;
  for (;;) {
    more();
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (most < bytes) {
      if (!answer.ok) return undefined;
      throw named('TooLong', 'the reply is too long');
    }
    const elapsed = performance.now() - from;
    if (patienceMs < elapsed && bytes < SLOWEST_BYTES_PER_SEC * elapsed / 1000) throw named('TimeoutError');
    text += decoder.decode(value, { stream: true });
  }
}

/** How long the server asks to wait, in seconds: a number, or a date, which is held against the server's own
 * clock where it says it. */
function retryAfterSecs(headers) {
  const asked = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(asked)) return Number(asked);
  const until = Date.parse(asked), now = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(until) ? undefined : Math.max(0, Math.floor((until - (Number.isNaN(now) ? Date.now() : now)) / 1000));
}
