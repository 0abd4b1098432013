// Keeps the page's own files, so that it opens without a network. It never sees a call of the API:
// those have other paths, and go to the server.

// What was built says which bundle this is, and of which files.
importScripts('bundle.js');
const CACHE = `haumana-${self.BUNDLE}`;
const FILES = ['./', 'schema', ...self.FILES];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener('activate', (event) => {
  const old = (keys) => Promise.all(keys.filter((key) => key !== CACHE).map((key) => caches.delete(key)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const ours = FILES.map((file) => new URL(file, self.registration.scope).href);
  if (request.method !== 'GET' || !ours.includes(request.url)) return;
  // The server's answer of now, if there is one: a new page and a new schema are seen at once.
  event.respondWith(fetch(request).then((answer) => {
    if (!answer.ok) return answer;
    const copy = answer.clone();
    event.waitUntil(caches.open(CACHE).then((cache) => cache.put(request, copy)));
    return answer;
  }).catch(() => caches.match(request)));
});
