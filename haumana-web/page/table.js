// The records of a kind as a table: which fields are its columns, and how each is written and sorted.

import { el, button } from './dom.js';
import { rowsOf } from './rows.js';
import { plain } from './text.js';
import { t } from './words.js';

/** LIMIT: how many columns a table has; the form has every field. */
const COLUMNS = 8;
/** LIMIT: how much of a value is in a cell. */
const CHARS = 120;
/** What is wider is a column only where there is room: short fields come first. */
const WIDTH = { list: 1, set: 1, lines: 2 };
/** How wide a column is at least, in rem; the title has 10, and others 8. */
const REMS = { flag: 5, integer: 6, number: 6, counter: 6, time: 13 };
const NUMBERS = ['integer', 'number', 'counter'];
/** How each kind is sorted, until the page is closed. */
const sorts = {};

export const isText = ({ type }) => ['text', 'lines'].includes(type);

/** What a counter has reached: it keeps what each device has added and removed. */
export const sumOf = (value) => Object.values(value ?? {}).reduce((sum, [added, removed]) => sum + added - removed, 0);

/** What a record has in a field, which may be called `constructor`. */
export const valueOf = (fields, name) => (fields && Object.hasOwn(fields, name) ? fields[name] : undefined);

const isTextValue = (value) => typeof value === 'string';
const isNumber = (value) => typeof value === 'number';
const FITS = {
  text: isTextValue, lines: isTextValue, enum: isTextValue, id: isTextValue,
  flag: (value) => typeof value === 'boolean', integer: isNumber, number: isNumber,
  time: (value) => isTextValue(value) && !Number.isNaN(Date.parse(value)),
  list: (value) => Array.isArray(value) && value.every(isTextValue),
  counter: (value) => Object.values(value).every((counts) => Array.isArray(counts) && counts.length === 2 && counts.every(isNumber)),
};
FITS.set = FITS.list;

/** What a record has in a field. What the field cannot hold, as from an earlier schema, is as absent. */
export function heldIn(fields, { name, type }) {
  const value = valueOf(fields, name);
  return value == null || (FITS[type]?.(value) ?? true) ? value : undefined;
}

/** The field that names a record. */
export const titleField = ({ fields }) => fields.find(({ name }) => name === 'title') ?? fields.find(isText) ?? fields[0];

/** The kind whose records a field names by their ids, as `recipeId` and `recipeIds` do. */
export const namedBy = (field, kinds) => ((field.of ?? field.type) === 'id'
  ? kinds.find(({ name }) => [`${name}Id`, `${name}Ids`].includes(field.name)) : undefined);

/** The title, and the first short fields that some record has, in the order of the schema. */
function columnsOf(kind, kinds, records) {
  const first = titleField(kind);
  const isThere = ({ name }) => !records.length || records.some(({ fields }) => valueOf(fields, name) != null);
  const isReadable = (field) => field.type !== 'json' && ((field.of ?? field.type) !== 'id' || namedBy(field, kinds));
  const others = kind.fields.filter((field) => field !== first && isReadable(field) && isThere(field));
  const width = ({ type }) => WIDTH[type] ?? 0;
  const narrowest = others.toSorted((a, b) => width(a) - width(b)).slice(0, COLUMNS - 1);
  return [first, ...others.filter((field) => narrowest.includes(field))].filter((field) => field);
}

/** A table of the records of `kind`; `open` makes the button of one, of its title. `onSort` hears of a wish to sort otherwise. */
export function tableOf({ kind, kinds, device, open, onSort }) {
  const head = el('tr', { role: 'row' }), body = el('tbody', { role: 'rowgroup', className: 'list' });
  const table = el('table', { role: 'table', className: 'grid', 'aria-label': kind.name }, el('thead', { role: 'rowgroup' }, head), body);
  const when = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'short' });
  const sort = sorts[kind.name] ??= { by: titleField(kind)?.name, isDown: false };
  let columns = [], titles = new Map();

  const text = (field, value) => {
    if (value == null) return '';
    if (field.type === 'flag') return t(value ? 'yes' : 'no');
    if (field.type === 'counter') return String(sumOf(value));
    if (field.type === 'time') return when.format(new Date(value));
    if (Array.isArray(value)) return value.map((one) => titles.get(one) ?? one).join(', ');
    return titles.get(value) ?? (typeof value === 'string' ? value : JSON.stringify(value));
  };
  const cell = (field, value) => {
    const all = text(field, value);
    return CHARS < all.length ? `${all.slice(0, CHARS)}…` : all;
  };
  /** What a value is sorted by; what is absent comes last, whichever way. */
  const key = (field, value) => {
    if (value == null || value.length === 0) return undefined;
    if (field.type === 'enum') return (field.words.indexOf(value) + 1) || Infinity;
    if (field.type === 'counter') return sumOf(value);
    return field.type === 'time' || ['number', 'boolean'].includes(typeof value) ? value : plain(text(field, value));
  };
  const by = (field, records, isDown) => {
    const keyed = records.map((one) => [key(field, heldIn(one.fields, field)), one]);
    keyed.sort(([a], [b]) => (a === b ? 0 : a === undefined ? 1 : b === undefined ? -1 : (a < b) === isDown ? 1 : -1));
    return keyed.map(([, one]) => one);
  };
  const align = ({ type }) => (NUMBERS.includes(type) ? 'end' : '');
  const header = (field) => {
    const { name } = field;
    const choose = () => {
      [sort.by, sort.isDown] = [name, sort.by === name && !sort.isDown];
      mark();
      onSort();
    };
    return el('th', { role: 'columnheader', scope: 'col', className: align(field) }, button(name, choose));
  };
  const mark = () => columns.forEach(({ name }, at) => {
    head.children[at].ariaSort = name === sort.by ? (sort.isDown ? 'descending' : 'ascending') : 'none';
  });
  const draw = (one) => columns.map((field, at) => (at
    ? el('td', { role: 'cell', className: align(field) }, cell(field, heldIn(one.fields, field)))
    : el('th', { role: 'rowheader', scope: 'row' }, open(one, cell(field, heldIn(one.fields, field))))));
  const rows = rowsOf(body, draw, 'tr', (at) => ({ role: 'row', ariaRowIndex: at + 2 }), (said) => el('td', { role: 'cell' }, said));

  return {
    element: el('div', { className: 'scroll' }, table),
    list: body,
    say: rows.say,
    show: (found) => { table.ariaRowCount = found.length + 1; rows.show(found); },
    /** Takes records: reads the titles that they name. */
    take: async (records) => {
      columns = columnsOf(kind, kinds, records);
      titles = new Map();
      for (const named of new Set(columns.map((field) => namedBy(field, kinds)).filter((one) => one)))
        for (const { id, fields } of await device.list(named.name)) titles.set(id, String(valueOf(fields, titleField(named)?.name) ?? '') || t('untitled'));
      const rems = columns.map(({ type }, at) => (at ? REMS[type] ?? 8 : 10));
      table.style.minWidth = `${rems.reduce((sum, one) => sum + one, 0)}rem`;
      table.style.setProperty('--columns', rems.map((one) => `minmax(0, ${one}fr)`).join(' '));
      // Who sorts by keyboard stays on the column.
      const at = [...head.children].indexOf(document.activeElement?.closest('th'));
      head.replaceChildren(...columns.map(header));
      head.children[at]?.firstChild.focus();
      mark();
    },
    sorted: (records) => {
      const first = columns[0], field = columns.find(({ name }) => name === sort.by) ?? first;
      // Equal ones are by title.
      const titled = first ? by(first, records, field === first && sort.isDown) : records;
      return field === first ? titled : by(field, titled, sort.isDown);
    },
  };
}
