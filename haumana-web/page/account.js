// Everything of an account at once: export, import, erase.

import { el, button } from './dom.js';
import { t } from './words.js';

export async function showAccount({ device, main, attempt, open, signOut }) {
  const status = await device.status();
  const exported = attempt(async () => {
    const url = URL.createObjectURL(new Blob([await device.export()], { type: 'application/json' }));
    el('a', { href: url, download: 'haumana.json' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  const file = el('input', { type: 'file', accept: 'application/json' });
  const imported = attempt(async () => { await device.import(await file.files[0].text()); open({}); });
  const word = el('input', { className: 'word', autocomplete: 'off' });
  const erase = attempt(async () => { if (word.value === 'ERASE') { await device.erase(); signOut(); } });
  main.replaceChildren(
    el('h2', {}, t('account')),
    el('p', {}, `${t('device')} ${status.device}`),
    el('div', { className: 'row' }, button(t('export'), exported, { className: 'export' }), button(t('signOut'), signOut)),
    el('label', {}, t('import'), file), button(t('import'), imported, { className: 'import' }),
    el('label', {}, t('eraseHow'), word), button(t('erase'), erase, { className: 'erase' }));
}
