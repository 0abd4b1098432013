// The texts of the page, in English and ʻŌlelo Hawaiʻi.

export const words = {
  en: {
    records: 'Records', inbox: 'Inbox', history: 'History', account: 'Account',
    search: 'Search', add: 'Add', save: 'Save', remove: 'Delete', close: 'Close', name: 'Your name',
    signIn: 'Sign in', signOut: 'Sign out', waits: 'waits for the server', waiting: 'waiting',
    equal: 'proven equal', never: 'not yet', keep: 'Keep this', restore: 'Bring this back',
    edit: 'Edit into one', nothing: 'Nothing here.', now: 'Shown now', lost: 'What lost',
    deleted: 'deleted', version: 'Version', export: 'Export', import: 'Import',
    erase: 'Erase everything', eraseHow: 'Type ERASE to erase everything, here and on the server',
    offline: 'Aeroplane mode', another: 'This account is open in another tab. Go on here?', here: 'Go on here',
    noStorage: 'This browser keeps nothing for this page (a private window?). Nothing can be saved.',
    full: 'The disk is full: what you did last was not saved. Make space, and do it again.',
    fullSync: 'The disk is full: nothing can be synced until there is space', kind: 'Kind', untitled: '(without a title)',
    device: 'device', undelete: 'Deleted', twoDevices: 'two devices', twoTry: 'Try it with two devices',
    phone: 'Phone', laptop: 'Laptop', leave: 'Leave',
    two1: 'Switch both to aeroplane mode, and change another line of the song on each.',
    two2: 'Switch aeroplane mode off again: both have both changes.',
    two3: 'Change the same word on both: one is shown, and the other one is in the inbox.',
    practice: 'Practice', start: 'Start', stop: 'Stop', mend: 'Mend', running: 'running', started: 'Started', ended: 'Ended',
    noStart: 'A session has a start.', endsFirst: 'A session ends after it starts.',
    long: 'That is longer than 12 hours. Save again if it is meant so.', future: 'That is in the future. Save again if it is meant so.',
    meanwhile: 'Changed elsewhere meanwhile. This is there now; save again to have yours in its place:',
    again: 'Sign in again to sync. What you edit meanwhile is kept here.', noGoogle: 'Google’s sign-in cannot be loaded now.',
    devices: 'Devices', seen: 'Last change', changes: 'Changes', thisOne: 'this one',
    devicesHow: 'Devices that have changed something, as far back as the history reaches. One that only reads is not here.',
    yes: 'yes', no: 'no', oneALine: 'one a line',
  },
  haw: {
    records: 'Nā mea', inbox: 'Pahu leka', history: 'Mōʻaukala', account: 'Moʻokāki',
    search: 'Huli', add: 'Hoʻohui', save: 'Mālama', remove: 'Kāpae', close: 'Pani', name: 'Kou inoa',
    signIn: 'ʻEʻe', signOut: 'Haʻalele', waits: 'ke kali nei i ke kikowaena', waiting: 'e kali nei',
    equal: 'ua like', never: 'ʻaʻole naʻe', keep: 'Mālama i kēia', restore: 'Hoʻihoʻi mai',
    edit: 'Hoʻohui pū', nothing: 'ʻAʻohe mea.', now: 'Kēia manawa', lost: 'Ka mea i eo',
    deleted: 'kāpae ʻia', version: 'Mana', export: 'Hoʻopuka', import: 'Hoʻokomo',
    erase: 'Holoi i nā mea a pau', eraseHow: 'Paʻi iā ERASE e holoi i nā mea a pau',
    offline: 'ʻAno mokulele', another: 'Ke wehe ʻia nei ma kekahi ʻaoʻao ʻē aʻe. Hoʻomau ma ʻaneʻi?', here: 'Hoʻomau ma ʻaneʻi',
    noStorage: 'ʻAʻole mālama kēia polokalamu i kekahi mea. ʻAʻole hiki ke mālama.',
    full: 'Ua piha ka pā: ʻaʻole i mālama ʻia ka hoʻololi hope. E hoʻokaʻawale i wahi, a e hana hou.',
    fullSync: 'Ua piha ka pā: e hoʻokaʻawale i wahi i mea e like ai', kind: 'ʻAno', untitled: '(inoa ʻole)',
    device: 'mīkini', undelete: 'Nā mea i kāpae ʻia', twoDevices: 'ʻelua mīkini', twoTry: 'E hoʻāʻo me nā mīkini ʻelua',
    phone: 'Kelepona', laptop: 'Lolouila', leave: 'Haʻalele',
    two1: 'Hoʻā i ke ʻano mokulele ma nā mīkini ʻelua, a hoʻololi i nā lālani ʻokoʻa o ke mele.',
    two2: 'Hoʻopio i ke ʻano mokulele: aia nā hoʻololi a pau ma nā mīkini ʻelua.',
    two3: 'Hoʻololi i ka huaʻōlelo hoʻokahi ma nā mīkini ʻelua: ʻike ʻia kekahi, a aia kekahi ma ka pahu leka.',
    practice: 'Hoʻomaʻamaʻa', start: 'Hoʻomaka', stop: 'Hoʻōki', mend: 'Hoʻoponopono', running: 'ke hana nei', started: 'Ka hoʻomaka', ended: 'Ka pau',
    noStart: 'Pono ka hoʻomaka.', endsFirst: 'Ma hope o ka hoʻomaka ka pau.',
    long: 'ʻOi aku kēia ma mua o 12 hola. E mālama hou inā pololei.', future: 'Aia kēia i ka wā e hiki mai ana. E mālama hou inā pololei.',
    meanwhile: 'Ua hoʻololi ʻia ma kahi ʻē aʻe. ʻO kēia ka mea o laila; e mālama hou no kāu:',
    again: 'E ʻeʻe hou. Mālama ʻia kāu hoʻololi ma ʻaneʻi.', noGoogle: 'ʻAʻole hiki ke hoʻouka i ka ʻeʻe ʻana o Google i kēia manawa.',
    devices: 'Nā mīkini', seen: 'Hoʻololi hope', changes: 'Nā hoʻololi', thisOne: 'kēia',
    devicesHow: 'Nā mīkini i hoʻololi i kekahi mea i loko o ka mōʻaukala. ʻAʻole helu ʻia ka mīkini heluhelu wale nō.',
    yes: 'ʻae', no: 'ʻaʻole', oneALine: 'hoʻokahi ma ka lālani',
  },
};

export let language = (navigator.language || 'en').startsWith('haw') ? 'haw' : 'en';
export function choose(other) {
  language = other;
  document.documentElement.lang = other;
}
export const t = (key) => words[language][key] ?? words.en[key];

/** What went wrong, for a person. */
export function explain(why) {
  const cause = `${why?.name} ${why?.message}`;
  // A browser that denies a page its storage says so in either way.
  if (/NoStorage|SecurityError/.test(cause)) return t('noStorage');
  return cause.includes('QuotaExceeded') ? t('full') : why?.message ?? String(why);
}
