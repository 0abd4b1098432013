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
    fullSync: 'The disk is full: what is saved here is sent, and nothing new comes in until there is space', kind: 'Kind', untitled: '(without a title)',
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
    noIssuer: 'The sign-in did not succeed.', noSignIn: 'Nobody can sign in on this page: the server takes tokens of an issuer that the page was not told of.',
    devices: 'Devices', seen: 'Last change', changes: 'Changes', thisOne: 'this one',
    devicesHow: 'Devices that have changed something, as far back as the history reaches. One that only reads is not here.',
    yes: 'yes', no: 'no', oneALine: 'one a line', noWhole: 'a whole number below 9,007,199,254,740,992 is expected here.',
    Idle: 'Idle', Syncing: 'Syncing', Offline: 'Offline', NeedsSignIn: 'Sign-in needed', Erased: 'Erased elsewhere', Failed: 'Failed',
    later_edit: 'The other one was edited later.', text_clash: 'Both changed the same words, and the other one was edited later.',
    edit_beats_delete: 'One side edited what the other one deleted.', base_gone: 'It was edited on a version that is no longer kept.',
    stale_form: 'It was saved by a form that had been open for long.', other_life: 'It was edited before a backup was put back.',
    noServer: 'The server cannot be reached. What is saved here is kept.', notEmpty: 'Only an empty account takes an import.',
    noFile: 'Choose a file first.', forget: 'Forget it here too', upload: 'Upload it as new',
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
    fullSync: 'Ua piha ka pā: hoʻouna ʻia nā mea i mālama ʻia, a ʻaʻohe mea hou e komo mai a loaʻa ka wahi', kind: 'ʻAno', untitled: '(inoa ʻole)',
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
    noIssuer: 'ʻAʻole i holo pono ka ʻeʻe ʻana.', noSignIn: 'ʻAʻole hiki i kekahi ke ʻeʻe ma kēia ʻaoʻao: ʻaʻole i haʻi ʻia kona wahi e ʻeʻe ai.',
    devices: 'Nā mīkini', seen: 'Hoʻololi hope', changes: 'Nā hoʻololi', thisOne: 'kēia',
    devicesHow: 'Nā mīkini i hoʻololi i kekahi mea i loko o ka mōʻaukala. ʻAʻole helu ʻia ka mīkini heluhelu wale nō.',
    yes: 'ʻae', no: 'ʻaʻole', oneALine: 'hoʻokahi ma ka lālani', noWhole: 'pono ka helu piha ma ʻaneʻi.',
    Idle: 'Mākaukau', Syncing: 'Ke hoʻolike nei', Offline: 'ʻAʻohe pūnaewele', NeedsSignIn: 'Pono e ʻeʻe', Erased: 'Ua holoi ʻia ma kahi ʻē aʻe', Failed: 'Ua hāʻule',
    later_edit: 'Ma hope ka hoʻololi ʻē aʻe.', text_clash: 'Hoʻololi ʻia nā huaʻōlelo hoʻokahi ma nā ʻaoʻao ʻelua, a ma hope kekahi.',
    edit_beats_delete: 'Hoʻololi ʻia ma kekahi ʻaoʻao, a kāpae ʻia ma kekahi.', base_gone: 'ʻAʻole mālama hou ʻia ka mana i hoʻololi ʻia.',
    stale_form: 'Ua lōʻihi ka hāmama ʻana o ka palapala.', other_life: 'Hoʻololi ʻia ma mua o ka hoʻihoʻi ʻana i ke kope.',
    noServer: 'ʻAʻole loaʻa ke kikowaena. Mālama ʻia nā mea ma ʻaneʻi.', notEmpty: 'Ma ka moʻokāki hakahaka wale nō ka hoʻokomo ʻana.',
    noFile: 'E koho mua i ka waihona.', forget: 'Kāpae ma ʻaneʻi pū', upload: 'Hoʻouka hou',
  },
};

const CHOSEN = 'haumana.language';
/** What a browser without storage cannot do. */
const perhaps = (work) => { try { return work(); } catch { return undefined; } };

export let language = perhaps(() => localStorage.getItem(CHOSEN)) ?? ((navigator.language || 'en').startsWith('haw') ? 'haw' : 'en');
document.documentElement.lang = language;
export function choose(other) {
  language = other;
  document.documentElement.lang = other;
  perhaps(() => localStorage.setItem(CHOSEN, other));
}
export const t = (key) => words[language][key] ?? words.en[key];

/** What went wrong, for a person. */
export function explain(why) {
  const cause = `${why?.name} ${why?.message}`;
  // A browser that denies a page its storage says so in either way.
  if (/NoStorage|SecurityError/.test(cause)) return t('noStorage');
  if (cause.includes('QuotaExceeded')) return t('full');
  return t({ Offline: 'noServer', NotEmpty: 'notEmpty' }[why?.name]) ?? why?.message ?? String(why);
}

/** A word of the protocol, for a person; one that the page does not know as it is. */
export const said = (word) => t(word) ?? word;
