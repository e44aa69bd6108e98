/**
 * Where bytes come from. A file is read by ranges, mostly forward and in order; a folder opens the files in it.
 * One host API per file: node.ts, fetch.ts, blob.ts, bytes.ts; open.ts chooses.
 */

/** A file that is open for reading. */
export interface ByteSource {
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * The bytes from `begin` up to `end`. The array is valid until the next read or close: it may be a view of one reused buffer, or of the caller's
   * own bytes, and is never written to. Ask for a few megabytes at a time: a buffer as long as the longest read is kept.
   *
   * @throws LorikeetError `store/out-of-range`, `store/truncated`, `store/unreadable`, `store/aborted`, `store/closed`
   */
  read(begin: number, end: number): Promise<Uint8Array>;
  /**
   * The bytes from `begin` on straight into `target`, which may be a view of a linear memory, shared or not; it must not grow meanwhile. Several may be under way at once, beside a
   * {@link read} too. Absent where that saves nothing.
   *
   * @returns bytes read: all of the target's
   * @throws LorikeetError as read
   */
  readInto?(begin: number, target: Uint8Array): Promise<number>;
  /** Frees what reading holds; closing twice is fine. */
  close(): Promise<void>;
}

/** A folder whose files are opened by relative path; a path that leads out of it is `store/escape`. */
export interface Folder {
  readonly name: string;
  has(path: string, signal?: AbortSignal): Promise<boolean>;
  /** @throws LorikeetError `store/not-found`, `store/unreadable`, `store/escape`, `store/aborted` */
  open(path: string, signal?: AbortSignal): Promise<ByteSource>;
  /**
   * A file's text, which has to be UTF-8 and no longer than `maxBytes`.
   *
   * @throws LorikeetError as open, `store/too-large`, `store/not-utf8`
   */
  text(path: string, maxBytes: number, signal?: AbortSignal): Promise<string>;
  /** The paths of the files that lie in the folder itself; absent where that can't be told (on the web). */
  list?(): Promise<readonly string[]>;
}

/** Files in memory, by relative path. */
export type FolderFiles = Readonly<Record<string, Uint8Array | Blob | string>>;

export interface OpenOptions {
  signal?: AbortSignal;
  /** For URLs: sent with every request. */
  headers?: Readonly<Record<string, string>>;
}
