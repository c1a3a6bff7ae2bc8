import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { unzstd } from "../base/zstd.ts";
import { type Layer, mediaTypes } from "../image/types.ts";

/** The tar inside a layer, or undefined for a type that nobody here can read. */
export function uncompressed(layer: Pick<Layer, "descriptor" | "open">): AsyncIterable<Uint8Array> | undefined {
  const { mediaType, digest } = layer.descriptor;
  switch (mediaType) {
    case mediaTypes.layer:
    case mediaTypes.dockerLayer:
      return layer.open();
    case mediaTypes.layerZstd:
    case mediaTypes.dockerLayerZstd:
      return unzstd(layer.open(), digest);
    case mediaTypes.layerGzip:
    case mediaTypes.dockerLayerGzip:
      return gunzipped(layer);
    default:
      return undefined;
  }
}

/** Nothing is read, and so nothing fails, before somebody asks for the first byte. */
async function* gunzipped({ open }: Pick<Layer, "open">): AsyncGenerator<Uint8Array> {
  yield* passErrors(Readable.from(open(), { objectMode: false }), createGunzip());
}

/** The members of a tar, to be read or resumed one after the other. */
export async function membersOf(tar: AsyncIterable<Uint8Array>) {
  const { extract } = await import("tar-stream");
  // Its types know neither that it is a stream of Node.js nor that such are.
  return passErrors(Readable.from(filledUp(tar), { objectMode: false }), extract() as never) as ReturnType<
    typeof extract
  >;
}

const BLOCK = 512;

/** `umoci insert` leaves the last block as short as it is, which engines do not mind. */
async function* filledUp(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of tar) {
    size += chunk.length;
    yield chunk;
  }
  const rest = -size & (BLOCK - 1);
  if (size > 0 && rest > 0) yield Buffer.alloc(rest);
}

/** `from.pipe(to)`, where a failure of `from` ends `to` as well. */
function passErrors<To extends NodeJS.ReadWriteStream & { destroy(error: Error): unknown }>(
  from: Readable,
  to: To,
): To {
  from.once("error", (error) => to.destroy(error));
  return from.pipe(to);
}
