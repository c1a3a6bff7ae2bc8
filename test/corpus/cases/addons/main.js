for (const n of [
  "bufferutil",
  "utf-8-validate",
  "lmdb",
  "snappy",
  "@parcel/watcher",
  "msgpackr",
  "@napi-rs/canvas",
  "usb",
  "serialport",
]) {
  try {
    console.log(n, Object.keys(require(n)).slice(0, 4));
  } catch (e) {
    console.log(n, e.code, e.message.split("\n")[0]);
  }
}
process.exit(0);
