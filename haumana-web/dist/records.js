// The list of records of a kind, and the form of one. The schema says which fields there are.

import { el, button } from './dom.js';
import { plain } from './text.js';
import { t } from './words.js';

const isText = (field) => ['text', 'lines'].includes(field.type);
const isShown = (field) => !field.default_is_edit_time && !field.default_is_field && field.merge !== 'fixed';
const inputs = { flag: 'checkbox', integer: 'number', counter: 'number', number: 'number' };

export function title(kind, fields) {
  const first = kind.fields.find((field) => field.name === 'title') ?? kind.fields.find(isText) ?? kind.fields[0];
  return String(fields?.[first?.name] ?? '') || t('untitled');
}

export async function showRecords({ device, kinds, main, open }, state) {
  const kind = kinds.find(({ name }) => name === state.kind) ?? kinds[0];
  const records = await device.list(kind.name);
  const searched = new Map(records.map((one) => [one.id, plain(Object.values(one.fields).filter((v) => typeof v === 'string').join('\n'))]));
  const list = el('ul', { className: 'list' });
  const fill = () => {
    const wanted = plain(search.value);
    state.search = search.value;
    const found = records.filter((one) => searched.get(one.id).includes(wanted));
    list.replaceChildren(...found.map((one) => el('li', {}, recordButton(kind, one, open))));
    if (!found.length) list.append(el('li', { className: 'note' }, t('nothing')));
  };
  const search = el('input', { type: 'search', id: 'search', value: state.search ?? '', oninput: fill });
  const choice = el('select', { onchange: () => open({ kind: choice.value }) },
    ...kinds.map(({ name }) => el('option', { value: name, selected: name === kind.name }, name)));
  fill();
  main.replaceChildren(
    el('h2', {}, t('records')),
    el('label', {}, t('kind'), ' ', choice),
    el('label', {}, t('search'), search),
    el('div', { className: 'row' }, button(t('add'), () => open({ kind: kind.name, form: {} }), { className: 'main', id: 'add' }), button(t('undelete'), () => open({ view: 'deleted', kind: kind.name }), { id: 'deleted' })),
    list);
}

function recordButton(kind, one, open) {
  return button('', () => open({ kind: kind.name, form: one }), {
    textContent: title(kind, one.fields) + (one.isPending ? ` · ${t('waits')}` : '') + (one.refused ? ` · ${one.explanation ?? one.refused}` : ''),
  });
}

/** The form of a record; only fields that a person changed are edited. */
export function showForm({ device, kinds, main, open, attempt }, { kind: name, form }) {
  const kind = kinds.find((one) => one.name === name);
  const entries = kind.fields.filter(isShown).map((field) => entry(field, form.fields?.[field.name]));
  const save = attempt(async () => {
    const edited = Object.fromEntries(entries.filter((one) => one.isTouched()).map((one) => [one.field.name, one.read()]));
    if (form.id) { if (Object.keys(edited).length) await device.edit(name, form.id, edited); } else await device.add(name, edited);
    open({ kind: name });
  });
  const remove = attempt(async () => { await device.delete(name, form.id); open({ kind: name }); });
  main.replaceChildren(
    el('h2', {}, form.id ? title(kind, form.fields) : t('add')),
    ...entries.map((one) => one.label),
    el('div', { className: 'row' },
      button(t('save'), save, { className: 'main', id: 'save' }),
      form.id && button(t('history'), () => open({ view: 'history', kind: name, id: form.id }), { id: 'show-history' }),
      form.id && button(t('remove'), remove, { id: 'remove' }),
      button(t('close'), () => open({ kind: name }))));
}

function entry(field, value) {
  const asJson = !isText(field) && !(field.type in inputs) && !['time', 'id', 'enum'].includes(field.type);
  const text = value == null ? '' : asJson ? JSON.stringify(value) : String(value);
  const input = field.type === 'lines' ? el('textarea', {}) : el('input', { type: inputs[field.type] ?? 'text' });
  input.name = field.name;
  if (field.type === 'flag') input.checked = value === true;
  else input.value = text;
  const shown = input.value;
  const isTouched = () => (field.type === 'flag' ? input.checked !== (value === true) : input.value !== shown);
  const read = () => {
    if (field.type === 'flag') return input.checked;
    if (inputs[field.type] === 'number') return input.value === '' ? null : Number(input.value);
    if (asJson) return input.value === '' ? null : JSON.parse(input.value);
    // A text box has line feeds only; what came with other ends keeps them.
    if (field.type === 'lines') return text.includes('\r\n') ? input.value.replace(/\n/g, '\r\n') : input.value;
    return input.value === '' && !isText(field) ? null : input.value;
  };
  return { field, isTouched, read, label: el('label', {}, field.name, input) };
}
