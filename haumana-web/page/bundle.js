// Made by haumana-web/build.
self.BUNDLE = 'fb0da6e1e5eb5ac6';
self.FILES = ['account.js', 'app.js', 'deleted.js', 'device.js', 'dom.js', 'google.js', 'haumana_web.js', 'haumana_web_bg.wasm', 'history.js', 'host.js', 'icon.svg', 'inbox.js', 'manifest.webmanifest', 'oidc.js', 'pane.js', 'practice.js', 'records.js', 'rows.js', 'style.css', 'table.js', 'text.js', 'token.js', 'two.js', 'words.js'];
