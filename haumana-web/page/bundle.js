// Made by haumana-web/build.
self.BUNDLE = 'c23e199015d9b7fd';
self.FILES = ['account.js', 'app.js', 'deleted.js', 'device.js', 'dom.js', 'haumana_web.js', 'haumana_web_bg.wasm', 'history.js', 'host.js', 'icon.svg', 'inbox.js', 'manifest.webmanifest', 'pane.js', 'practice.js', 'records.js', 'style.css', 'text.js', 'two.js', 'words.js'];
