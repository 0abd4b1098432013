// Two devices of one person in one window, to play with: each is a replica with a database of its own.

import { openDevice } from './device.js';
import { el, button } from './dom.js';
import { openPane } from './pane.js';
import { t } from './words.js';

const ACCOUNT = 'two-devices';
const SONG = {
  title: 'Aloha ʻOe', category: 'mele', author: 'Queen Liliʻuokalani',
  lyrics: 'Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele\nE uhai ana paha i ka liko\nPua ʻāhihi lehua o uka',
};

/** Opens both devices in `main`; `languages` makes the button that changes the language. */
export async function showTwo({ schema, server, kinds, top, main, tokenOf, languages, leave }) {
  const open = (name) => openDevice({ account: ACCOUNT, schema, server, token: tokenOf(ACCOUNT), name });
  const devices = [await open('haumana-first'), await open('haumana-second')];
  window.haumana = { devices };
  const hasSongs = kinds.some(({ name }) => name === 'piece');
  if (hasSongs) await seed(devices);
  const counts = [0, 0];
  const onCount = (at) => (count) => {
    counts[at] = count;
    const most = Math.max(...counts);
    document.title = most ? `(${most}) Haumana` : 'Haumana';
  };
  const panes = [];
  const draw = async () => {
    for (const pane of panes.splice(0)) pane.close();
    const heads = devices.map(() => el('header', {}));
    const places = devices.map(() => el('div', {}));
    const names = [t('phone'), t('laptop')];
    top.replaceChildren(el('h1', {}, `Haumana · ${t('twoDevices')}`), languages(draw), button(t('leave'), leave, { id: 'leave' }));
    main.replaceChildren(
      el('ol', { className: 'note' }, ...['two1', 'two2', 'two3'].map((step) => el('li', {}, t(step)))),
      el('div', { className: 'two' }, ...devices.map((_, at) => el('section', { 'aria-label': names[at] }, heads[at], places[at]))));
    await Promise.all(devices.map((device, at) => {
      device.clear();
      const home = hasSongs ? () => theSong(device) : undefined;
      const name = el('h2', {}, names[at]);
      const pane = openPane({ device, kinds, top: heads[at], main: places[at], name, home, onCount: onCount(at),
        fields: hasSongs ? ['title', 'author', 'lyrics', 'notes'] : undefined });
      panes.push(pane);
      return pane.open({});
    }));
  };
  await draw();
}

/** The same song on both devices: the one with the least id. */
async function theSong(device) {
  const [song] = (await device.list('piece')).sort((a, b) => (a.id < b.id ? -1 : 1));
  return song ? { kind: 'piece', form: song } : {};
}

/** Gives both devices a song. Only the first makes one, so that there are not two. */
async function seed([first, second]) {
  await first.sync();
  if (!(await first.list('piece')).length) await first.add('piece', SONG);
  await first.sync();
  await second.sync();
}
