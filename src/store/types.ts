import type { Context } from "../base/context.ts";
import type { Artifact } from "../image/types.ts";
import type { EngineName } from "./engine.ts";

/** What writing to a store did. `uploadedBytes` and the counts are those of a registry; `sentBytes` are all that an engine was given. */
export type Output =
  | { readonly type: "archive" | "oci-layout"; readonly path: string }
  | {
      readonly type: "engine";
      readonly engine: EngineName;
      readonly refs: readonly string[];
      readonly sentBytes: number;
    }
  | {
      readonly type: "registry";
      readonly ref: string;
      readonly tags: readonly string[];
      readonly digest: string;
      readonly uploadedBytes: number;
      readonly uploadedBlobs: number;
      readonly mountedBlobs: number;
      readonly skippedBlobs: number;
    };

/** A place images are read from and written to. */
export interface Store {
  /**
   * Reads manifests and configs at once and checks them; layers are opened later, and checked while
   * they are read. `ref` chooses a name inside the store where it holds several.
   */
  read(context: Context, ref?: string): Promise<Artifact>;
  /** Writes everything or nothing; `refs` name the artifact inside the store. */
  write(context: Context, artifact: Artifact, refs: readonly string[]): Promise<Output>;
}
