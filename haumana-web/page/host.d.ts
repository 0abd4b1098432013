import type { Host } from './haumana_web.js';

/** What a page gives to a replica, and what it can ask besides. */
export interface PageHost extends Host {
  /** Ends the calls that are under way, of paths that begin so, as if the network had gone. */
  cut(start?: string): void;
  /** Whether no other tab has opened the database since, and the disk had space to write down that this one has. */
  isWriter(): Promise<boolean>;
  close(): void;
}

/** Makes a host for `PageReplica.open`. */
export function openHost(options: {
  /** The database; `haumana` without it. */
  name?: string;
  /** The server's address without the last slash; the page's own without it. */
  server?: string;
  /** Gives the ID token of now of the account, or another one if the server refused that, which is `refused`.
   * A token whose `sub` is another account's is not sent: the call fails as if there were no network. */
  token: (isRefused: boolean, account: string, refused?: string) => Promise<string>;
  isOffline?: () => boolean;
  /** Others than the usual limits of calls. */
  limits?: { patienceMs?: number; silenceMs?: number; failureBytes?: number };
}): Promise<PageHost>;
