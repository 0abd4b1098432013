// Made by haumana-web/build.
self.BUNDLE = '67075c703e56ff34';
self.FILES = ['account.js', 'app.js', 'deleted.js', 'device.js', 'dom.js', 'haumana_web.js', 'haumana_web_bg.wasm', 'history.js', 'host.js', 'icon.svg', 'inbox.js', 'manifest.webmanifest', 'records.js', 'style.css', 'text.js', 'words.js'];
