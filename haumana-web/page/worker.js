// Keeps the page's own files, so that it opens without a network. It never sees a call of the API:
// those have other paths, and go to the server. Only the schema is kept, too.

// What was built says which bundle this is, and of which files.
importScripts('bundle.js');
const CACHE = `haumana-${self.BUNDLE}`;
const FILES = ['./', 'config.json', ...self.FILES];

/** The page's files, and the schema of the server that it is for, which may be elsewhere. */
async function fill(cache) {
  await cache.addAll(FILES);
  const { server = '.' } = await (await cache.match('config.json')).json();
  await cache.add(`${server}/schema`);
}

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then(fill).then(() => self.skipWaiting()));
});
self.addEventListener('activate', (event) => {
  const old = (keys) => Promise.all(keys.filter((key) => key !== CACHE).map((key) => caches.delete(key)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const ours = FILES.map((file) => new URL(file, self.registration.scope).href);
  if (request.method !== 'GET' || !(ours.includes(request.url) || request.url.endsWith('/schema'))) return;
  // The server's answer of now, if there is one: a new page and a new schema are seen at once. Where a
  // proxy answers in place of a server that is down or busy, what is kept is shown.
  event.respondWith(fetch(request).then(async (answer) => {
    const isDown = answer.status === 429 || 500 <= answer.status;
    if (!answer.ok) return (isDown && await caches.match(request)) || answer;
    const copy = answer.clone();
    event.waitUntil(caches.open(CACHE).then((cache) => cache.put(request, copy)));
    return answer;
  }).catch(() => caches.match(request)));
});
