// What lost: both texts side by side, and what to do about it.

import { el, button } from './dom.js';
import { compared } from './text.js';
import { title } from './records.js';
import { said, t } from './words.js';

export const shown = (value) => (typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value));

export const marked = (from, to) =>
  el('pre', {}, ...compared(from, to).map(([word, isNew]) => (isNew ? el('mark', {}, word) : word)));

export async function showInbox(page) {
  const { device, kinds, main } = page;
  // A kind that is newer than this page is there after a reload.
  const conflicts = (await device.conflicts()).filter(({ kind }) => kind);
  const cards = [];
  for (const one of conflicts) {
    const record = await device.get(one.kind, one.id);
    cards.push(card(page, one, title(kinds.find(({ name }) => name === one.kind), record?.fields)));
  }
  main.replaceChildren(el('h2', {}, t('inbox')), ...(cards.length ? cards : [el('p', {}, t('nothing'))]));
}

function card({ device, open, attempt }, conflict, name) {
  const [kept, lost] = [shown(conflict.kept), shown(conflict.lost)];
  const close = (how, value) => attempt(async () => { await device.resolve(conflict, how, value?.()); await open({ view: 'inbox' }); });
  const both = el('textarea', { value: kept, 'aria-label': t('edit') });
  const canEdit = conflict.field && typeof conflict.lost === 'string';
  return el('section', { className: 'card conflict', 'aria-label': `${name}: ${conflict.field ?? t('deleted')}` },
    el('h3', {}, `${name}: ${conflict.field ?? t('deleted')}`),
    el('p', { className: 'note' }, `${new Date(conflict.at).toLocaleString()} · ${said(conflict.reason)}`),
    el('div', { className: 'pair' },
      el('div', {}, el('h4', {}, t('now')), marked(lost, kept), button(t('keep'), close('keep'), { className: 'keep' })),
      el('div', {}, el('h4', {}, t('lost')), marked(kept, lost), button(t('restore'), close('restore'), { className: 'restore' }))),
    canEdit && both,
    canEdit && button(t('edit'), close('set', () => both.value), { className: 'into-one' }));
}
