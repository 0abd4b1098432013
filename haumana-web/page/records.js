// The records of a kind, and the form of one. The schema says which fields there are.

import { el, button } from './dom.js';
import { rowsOf } from './rows.js';
import { hasLog, practiceLog } from './practice.js';
import { heldIn, isText, namedBy, sumOf, tableOf, titleField, valueOf } from './table.js';
import { plain } from './text.js';
import { t } from './words.js';

/** A time that a new record has by itself. */
const isOfCreation = (field) => field.default_is_edit_time || (field.type === 'time' && field.default_is_field);
/** What is fixed is said once, when a record is made. */
const isShown = (field, isNew) => (isNew ? !isOfCreation(field) : field.merge !== 'fixed');
const inputs = { flag: 'checkbox', integer: 'number', counter: 'number', number: 'number', time: 'datetime-local' };

export function title(kind, fields) {
  const first = titleField(kind);
  // An id says nothing to a person.
  return first?.type === 'id' ? kind.name : String(valueOf(fields, first?.name) ?? '') || t('untitled');
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
export async function showForm(page, { kind: name, form }) {
  const { device, kinds, main, open, attempt, fields } = page;
  const log = form.id && name === 'piece' && !fields && hasLog(kinds) ? practiceLog(page, form.id) : undefined;
  const kind = kinds.find((one) => one.name === name);
  const wanted = kind.fields.filter((field) => isShown(field, !form.id) && (!fields || fields.includes(field.name)));
  const entries = await Promise.all(wanted.map(async (field) => entry(field, form.id ? heldIn(form.fields, field) : field.default, await choicesOf(field, kinds, device), !form.id)));
  const save = attempt(async () => {
    const touched = entries.filter((one) => one.isTouched());
    const now = form.id && touched.length ? await device.get(name, form.id) : undefined;
    // All are settled before any is saved, so that the form shows each clash at once.
    const settled = touched.map((one) => (now ? one.settle(heldIn(now.fields, one.field), device.merge) : one.read()));
    if (settled.includes(CLASH)) return;
    const edited = Object.fromEntries(touched.map((one, at) => [one.field.name, settled[at]]));
    if (!form.id) await device.add(name, edited);
    else if (touched.length) await device.edit(name, form.id, edited);
    await open({ kind: name });
  });
  const remove = attempt(async () => { await device.delete(name, form.id); await open({ kind: name }); });
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
    entries.forEach((one) => one.refresh(heldIn(now.fields, one.field)));
  };
  return { refresh };
}

/** A field was changed here and elsewhere, and a person must look. */
const CLASH = Symbol('clash');

const isSame = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** What a field can be chosen from, as [value, text]: the words of a closed enum, or the records that an id names. */
async function choicesOf(field, kinds, device) {
  if (field.type === 'enum' && !field.open) return field.words.map((word) => [word, word]);
  const named = field.type === 'id' && namedBy(field, kinds);
  if (!named) return undefined;
  const all = (await device.list(named.name)).map(({ id, fields }) => [id, title(named, fields)]);
  return all.sort(([, a], [, b]) => (a < b ? -1 : 1));
}

/** The elements of a set that two sides have changed since it was `was`. */
const joined = (was, there, mine) => [...new Set([...there.filter((one) => mine.includes(one) || !was.includes(one)), ...mine.filter((one) => !was.includes(one))])];

/** A time as a person of this place writes it. */
const local = (at) => new Date(Date.parse(at) - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);

/** What has a line end in it; a box of one line would remove that. */
const hasLines = (text) => typeof text === 'string' && /[\r\n]/.test(text);

function entry(field, seen, choices, isNew) {
  const isFlag = field.type === 'flag', isMany = ['list', 'set'].includes(field.type);
  const isWhole = ['integer', 'counter'].includes(field.type);
  const input = choices ? el('select', {}, ...[['', ''], ...choices].map(([value, text]) => el('option', { value }, text)))
    : field.type === 'lines' || isMany || hasLines(seen) ? el('textarea', {}) : el('input', { type: inputs[field.type] ?? 'text', step: field.type === 'time' ? 1 : 'any' });
  const label = el('label', {}, field.name, isMany ? el('span', { className: 'note' }, ` (${t('oneALine')})`) : '', input);
  input.name = field.name;
  let text, shown, asJson;
  const write = (value) => {
    // An element that has lines of its own, or nothing to see, is not one of the lines.
    asJson = field.type === 'json' || (isMany && value?.some((one) => hasLines(one) || !one.trim()));
    if (value == null) return '';
    if (field.type === 'counter') return String(typeof value === 'object' ? sumOf(value) : value);
    return asJson ? JSON.stringify(value) : isMany ? value.join('\n') : field.type === 'time' ? local(value) : String(value);
  };
  const show = (value) => {
    seen = value;
    text = write(value);
    if (isFlag) input.checked = value === true;
    else input.value = text;
    // A word or a record that is no choice any more.
    if (choices && input.value !== text) input.append(el('option', { value: text, selected: true }, text));
    shown = input.value;
  };
  show(seen);
  // A box that has no third state says no.
  const isTouched = () => (isFlag ? input.checked !== (seen === true) || Boolean(isNew && field.mandatory) : input.value !== shown);
  const read = () => {
    if (isFlag) return input.checked;
    if (inputs[field.type] === 'number') {
      if (isWhole && input.value !== '' && !Number.isSafeInteger(Number(input.value))) throw new Error(`${field.name}: ${t('noWhole')}`);
      return input.value === '' ? null : Number(input.value);
    }
    if (asJson) return input.value === '' ? null : JSON.parse(input.value);
    if (isMany) return input.value.split('\n').filter((line) => line.trim());
    if (field.type === 'time') return input.value && new Date(input.value).toISOString() || null;
    // A text box has line feeds only; what came with other ends keeps them.
    if (isText(field)) return text.includes('\r\n') ? input.value.replace(/\n/g, '\r\n') : input.value;
    return input.value === '' ? null : input.value;
  };
  const settle = (there, merge) => {
    const mine = read();
    if (isSame(there, seen)) return mine;
    // What each side counted, added and removed is kept.
    if (field.type === 'counter' && mine !== null) return mine + sumOf(there) - sumOf(seen);
    if (field.type === 'set') return joined(seen ?? [], there ?? [], mine ?? []);
    if (isSame(there, mine)) return mine;
    const merged = field.type === 'lines' ? merge(seen ?? '', there ?? '', mine) : { text: mine, isClean: false };
    if (merged.isClean) return merged.text;
    // Both are shown. Saving again is an edit of what is there now.
    show(there);
    if (isFlag) input.checked = mine;
    else input.value = write(merged.text);
    label.querySelector('.clash')?.remove();
    label.append(el('div', { className: 'clash', role: 'alert' }, t('meanwhile'), el('pre', {}, text)));
    return CLASH;
  };
  const refresh = (value) => { if (!isTouched() && !isSame(value, seen)) show(value); };
  return { field, isTouched, read, settle, refresh, label };
}
