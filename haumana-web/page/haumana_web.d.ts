/* tslint:disable */
/* eslint-disable */

/** What a page gives to a replica; `host.js` makes one. */
export interface Host {
    /** All rows, as keys and texts in turn. */
    load(): Promise<string[]>;
    /** Makes all changes in one transaction, or none. */
    write(changes: string): Promise<void>;
    /** Calls the server as `account`, or not at all; the answer is its status, its body, and the seconds of
     * `Retry-After` if it has them. Rejects if there is no server, and with the name `TooLong` if the body has
     * more than `bytes`. */
    call(method: string, path: string, body: string | undefined, bytes: number, account: string): Promise<[number, string, number?]>;
}



/**
 * The replica of a page.
 */
export class PageReplica {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Adds a record and returns its id.
     */
    add(kind: string, fields: string): Promise<string>;
    /**
     * Waits until records change and returns their ids; `null` means that everything may be another.
     * What changes before it is called again is heard of then.
     */
    changed(): Promise<string | undefined>;
    /**
     * Up to 200 open conflicts, newest first.
     */
    conflicts(): Promise<string>;
    /**
     * Deletes a record.
     */
    delete(kind: string, id: string): Promise<void>;
    /**
     * Sets fields of a record. When it returns, a killed tab takes nothing back.
     */
    edit(kind: string, id: string, fields: string): Promise<void>;
    /**
     * Erases everything of the account on the server.
     */
    erase(): Promise<void>;
    /**
     * Everything that the server has of the account, as JSON text.
     */
    export(): Promise<string>;
    /**
     * Syncs at once, and then whenever something is edited here or the server says that another device
     * has changed something; now and then where no server says it. Returns after
     * [`unfollow`](Self::unfollow), and fails where a person must act.
     */
    follow(): Promise<void>;
    /**
     * Forgets on this device an account that was erased on the server.
     */
    forget(): Promise<void>;
    /**
     * One record, or `null`.
     */
    get(kind: string, id: string): Promise<string>;
    /**
     * Up to 200 versions of a record, newest first.
     */
    history(kind: string, id: string): Promise<string>;
    /**
     * Puts an export into the account, which must be empty.
     */
    import(_export: string): Promise<void>;
    /**
     * All records of a kind.
     */
    list(kind: string): Promise<string>;
    /**
     * Merges two edits of the text that somebody saw: what is there now, and what they wrote. Returns
     * `text` and whether all of both is in it; where not, it has what they wrote.
     */
    mergeText(seen: string, there: string, mine: string): string;
    /**
     * Opens the replica that the host's rows hold; `schema` is the answer of `GET /schema`.
     */
    static open(host: Host, schema: string): Promise<PageReplica>;
    /**
     * Closes a conflict: `how` is `keep`, `restore` or `set`, with a value of its field as JSON.
     */
    resolve(conflict: string, kind: string, id: string, how: string, field?: string | null, value?: string | null): Promise<void>;
    /**
     * Makes an earlier version the content again, also of a deleted record.
     */
    restore(kind: string, id: string, version: number): Promise<void>;
    /**
     * Makes `account` the one whose records are read and edited.
     */
    signIn(account: string): Promise<void>;
    /**
     * Makes nobody the account; what is pending stays.
     */
    signOut(): Promise<void>;
    /**
     * Waits until the status is another.
     */
    statusChanged(): Promise<void>;
    /**
     * How the sync stands.
     */
    status(): Promise<string>;
    /**
     * Makes this device and the server the same.
     */
    sync(): Promise<void>;
    /**
     * Ends [`follow`](Self::follow), such as to begin it again at once where there is a network again.
     */
    unfollow(): void;
    /**
     * Uploads, as new, what this device holds of an account that was erased on the server.
     */
    uploadAsNew(): Promise<void>;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_pagereplica_free: (a: number, b: number) => void;
    readonly pagereplica_add: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly pagereplica_changed: (a: number) => any;
    readonly pagereplica_conflicts: (a: number) => any;
    readonly pagereplica_delete: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly pagereplica_edit: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => any;
    readonly pagereplica_erase: (a: number) => any;
    readonly pagereplica_export: (a: number) => any;
    readonly pagereplica_follow: (a: number) => any;
    readonly pagereplica_forget: (a: number) => any;
    readonly pagereplica_get: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly pagereplica_history: (a: number, b: number, c: number, d: number, e: number) => any;
    readonly pagereplica_import: (a: number, b: number, c: number) => any;
    readonly pagereplica_list: (a: number, b: number, c: number) => any;
    readonly pagereplica_mergeText: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly pagereplica_open: (a: any, b: number, c: number) => any;
    readonly pagereplica_resolve: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number) => any;
    readonly pagereplica_restore: (a: number, b: number, c: number, d: number, e: number, f: number) => any;
    readonly pagereplica_signIn: (a: number, b: number, c: number) => any;
    readonly pagereplica_signOut: (a: number) => any;
    readonly pagereplica_status: (a: number) => any;
    readonly pagereplica_statusChanged: (a: number) => any;
    readonly pagereplica_sync: (a: number) => any;
    readonly pagereplica_unfollow: (a: number) => void;
    readonly pagereplica_uploadAsNew: (a: number) => any;
    readonly __wasm_bindgen_func_elem_1592: (a: number, b: number, c: number, d: any) => void;
    readonly __wasm_bindgen_func_elem_1607: (a: number, b: number, c: any, d: any) => void;
    readonly __wbindgen_export: (a: number, b: number) => number;
    readonly __wbindgen_export2: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_export3: (a: number, b: number, c: number) => void;
    readonly __wbindgen_export4: (a: number) => void;
    readonly __wbindgen_export5: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_export6: (a: number, b: number) => void;
    readonly __wbindgen_add_to_stack_pointer: (a: number) => number;
    readonly __wbindgen_export7: (a: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
