// Made by haumana-web/build.
self.BUNDLE = 'dd909e11dd286fff';
self.FILES = ['account.js', 'app.js', 'deleted.js', 'device.js', 'dom.js', 'google.js', 'haumana_web.js', 'haumana_web_bg.wasm', 'history.js', 'host.js', 'icon.svg', 'inbox.js', 'manifest.webmanifest', 'oidc.js', 'pane.js', 'practice.js', 'records.js', 'rows.js', 'style.css', 'table.js', 'text.js', 'token.js', 'two.js', 'words.js'];
