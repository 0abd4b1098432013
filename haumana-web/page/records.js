// The records of a kind, and the form of one. The schema says which fields there are.

import { el, button } from './dom.js';
import { rowsOf } from './rows.js';
import { hasLog, practiceLog } from './practice.js';
import { isText, sumOf, tableOf, titleField } from './table.js';
import { plain } from './text.js';
import { t } from './words.js';

const isShown = (field) => !field.default_is_edit_time && !field.default_is_field && field.merge !== 'fixed';
const inputs = { flag: 'checkbox', integer: 'number', counter: 'number', number: 'number' };

export function title(kind, fields) {
  const first = titleField(kind);
  // An id says nothing to a person.
  return first?.type === 'id' ? kind.name : String(fields?.[first?.name] ?? '') || t('untitled');
}

export async function showRecords({ device, kinds, main, open }, state) {
  const kind = kinds.find(({ name }) => name === state.kind) ?? kinds[0];
  // The repertoire has titles, whose other fields are long; other kinds are tables.
  const isList = kind.name === 'piece' && hasLog(kinds);
  const opens = (one, name) => button(
    `${name || t('untitled')}${one.isPending ? ` · ${t('waits')}` : ''}${one.refused ? ` · ${one.explanation ?? one.refused}` : ''}`,
    () => open({ kind: kind.name, form: one }));
  const shown = isList ? listOf((one) => opens(one, title(kind, one.fields)))
    : tableOf({ kind, kinds, device, open: opens, onSort: () => { records = shown.sorted(records); fill(); } });
  let records, searched;
  const load = async () => {
    records = await device.list(kind.name);
    await shown.take(records);
    records = shown.sorted(records);
    searched = undefined;
  };
  const words = ({ fields }) => plain(Object.values(fields).flat().filter((v) => typeof v === 'string').join('\n'));
  const fill = () => {
    const wanted = plain(search.value);
    state.search = search.value;
    // Made when somebody searches: of many records it takes longer than drawing them.
    if (wanted) searched ??= new Map(records.map((one) => [one, words(one)]));
    const found = wanted ? records.filter((one) => searched.get(one).includes(wanted)) : records;
    if (found.length) shown.show(found);
    else shown.say(t('nothing'));
  };
  const search = el('input', { type: 'search', className: 'search', value: state.search ?? '', oninput: fill });
  const choices = kinds.filter(({ name }) => name !== 'session' || !hasLog(kinds));
  const choice = el('select', { onchange: () => open({ kind: choice.value }) },
    ...choices.map(({ name }) => el('option', { value: name, selected: name === kind.name }, name)));
  await load();
  main.replaceChildren(
    el('h2', {}, t('records')),
    1 < choices.length ? el('label', {}, t('kind'), ' ', choice) : '',
    el('label', {}, t('search'), search),
    el('div', { className: 'row' }, button(t('add'), () => open({ kind: kind.name, form: {} }), { className: 'main add' }), button(t('undelete'), () => open({ view: 'deleted', kind: kind.name }), { className: 'deleted' })),
    shown.element);
  fill();
  // Who is in a row stays there; all else takes what comes.
  return { refresh: async () => { if (!shown.list.contains(document.activeElement)) { await load(); fill(); } } };
}

function listOf(draw) {
  const list = el('ul', { className: 'list' });
  return { element: list, list, ...rowsOf(list, draw), take: () => {}, sorted: (records) => records };
}

/** The form of a record; only fields that a person changed are edited. What changes elsewhere meanwhile
 * is shown in the other fields at once, and is merged into the edited ones when they are saved. */
export function showForm(page, { kind: name, form }) {
  const { device, kinds, main, open, attempt, fields } = page;
  const log = form.id && name === 'piece' && !fields && hasLog(kinds) ? practiceLog(page, form.id) : undefined;
  const kind = kinds.find((one) => one.name === name);
  const wanted = kind.fields.filter((field) => isShown(field) && (!fields || fields.includes(field.name)));
  const entries = wanted.map((field) => entry(field, form.fields?.[field.name]));
  const save = attempt(async () => {
    const touched = entries.filter((one) => one.isTouched());
    const now = form.id && touched.length ? await device.get(name, form.id) : undefined;
    // All are settled before any is saved, so that the form shows each clash at once.
    const settled = touched.map((one) => (now ? one.settle(now.fields[one.field.name], device.merge) : one.read()));
    if (settled.includes(CLASH)) return;
    const edited = Object.fromEntries(touched.map((one, at) => [one.field.name, settled[at]]));
    if (!form.id) await device.add(name, edited);
    else if (touched.length) await device.edit(name, form.id, edited);
    open({ kind: name });
  });
  const remove = attempt(async () => { await device.delete(name, form.id); open({ kind: name }); });
  const heading = el('h2', {}, form.id ? title(kind, form.fields) : t('add'));
  main.replaceChildren(
    heading,
    ...entries.map((one) => one.label),
    el('div', { className: 'row' },
      button(t('save'), save, { className: 'main save' }),
      form.id && button(t('history'), () => open({ view: 'history', kind: name, id: form.id }), { className: 'show-history' }),
      form.id && button(t('remove'), remove, { className: 'remove' }),
      button(t('close'), () => open({ kind: name }))),
    log?.element ?? '');
  attempt(async () => log?.refresh())();
  const refresh = async () => {
    if (!form.id) return;
    await log?.refresh();
    const now = await device.get(name, form.id);
    const isTouched = entries.some((one) => one.isTouched());
    if (!now) return isTouched ? undefined : open({ kind: name });
    heading.textContent = title(kind, now.fields);
    entries.forEach((one) => one.refresh(now.fields[one.field.name]));
  };
  return { refresh };
}

/** A field was changed here and elsewhere, and a person must look. */
const CLASH = Symbol('clash');

const isSame = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

function entry(field, seen) {
  const asJson = !isText(field) && !(field.type in inputs) && !['time', 'id', 'enum'].includes(field.type);
  const isFlag = field.type === 'flag';
  const input = field.type === 'lines' ? el('textarea', {}) : el('input', { type: inputs[field.type] ?? 'text' });
  const label = el('label', {}, field.name, input);
  input.name = field.name;
  let text, shown;
  const show = (value) => {
    seen = value;
    if (field.type === 'counter') value = sumOf(value);
    text = value == null ? '' : asJson ? JSON.stringify(value) : String(value);
    if (isFlag) input.checked = value === true;
    else input.value = text;
    shown = input.value;
  };
  show(seen);
  const isTouched = () => (isFlag ? input.checked !== (seen === true) : input.value !== shown);
  const read = () => {
    if (isFlag) return input.checked;
    if (inputs[field.type] === 'number') return input.value === '' ? null : Number(input.value);
    if (asJson) return input.value === '' ? null : JSON.parse(input.value);
    // A text box has line feeds only; what came with other ends keeps them.
    if (field.type === 'lines') return text.includes('\r\n') ? input.value.replace(/\n/g, '\r\n') : input.value;
    return input.value === '' && !isText(field) ? null : input.value;
  };
  const settle = (there, merge) => {
    const mine = read();
    if (isSame(there, seen) || isSame(there, mine)) return mine;
    const merged = field.type === 'lines' ? merge(seen ?? '', there ?? '', mine) : { text: mine, isClean: false };
    if (merged.isClean) return merged.text;
    // Both are shown. Saving again is an edit of what is there now.
    show(there);
    if (isFlag) input.checked = mine;
    else input.value = asJson ? JSON.stringify(merged.text) : merged.text ?? '';
    label.querySelector('.clash')?.remove();
    label.append(el('div', { className: 'clash', role: 'alert' }, t('meanwhile'), el('pre', {}, text)));
    return CLASH;
  };
  const refresh = (value) => { if (!isTouched() && !isSame(value, seen)) show(value); };
  return { field, isTouched, read, settle, refresh, label };
}
