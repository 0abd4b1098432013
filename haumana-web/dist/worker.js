// Keeps the page's own files, so that it opens without a network. It never sees a call of the API:
// those have other paths, and go to the server.

const CACHE = 'haumana-931bf7114cb0bcb0';
const FILES = ['./', 'app.js', 'account.js', 'deleted.js', 'device.js', 'dom.js', 'history.js', 'host.js', 'inbox.js', 'records.js', 'text.js',
  'words.js', 'style.css', 'haumana_web.js', 'haumana_web_bg.wasm', 'manifest.webmanifest', 'icon.svg', 'schema'];

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
