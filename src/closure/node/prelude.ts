/**
 * What a program starts with when it is process 1. The kernel does not deliver a signal's default
 * action to process 1, so an app that handles neither SIGTERM nor SIGINT could not be stopped. A
 * listener of our own ends it, and is there only while the app has none: libraries that count
 * listeners, or that remove theirs and send the signal again, see what they see elsewhere.
 * https://man7.org/linux/man-pages/man7/pid_namespaces.7.html, https://github.com/nodejs/node/issues/4182
 */
export const prelude =
  "if(process.pid===1)for(const[s,n]of[['SIGTERM',15],['SIGINT',2]]){" +
  "const end=()=>process.reallyExit(128+n);" +
  "process.on(s,end);" +
  "process.on('newListener',(e,l)=>{if(e===s&&l!==end)process.removeListener(s,end)});" +
  "process.on('removeListener',(e,l)=>{if(e===s&&l!==end&&process.listenerCount(s)===0)process.on(s,end)})}";

/** A program with the prelude where it changes nothing else: after a hashbang and directives. */
export function withPrelude(code: string): string {
  const head = /^(?:#![^\n]*\n)?(?:\s*(?:"[^"\n]*"|'[^'\n]*')\s*;)*/.exec(code)?.[0] ?? "";
  return head + prelude + code.slice(head.length);
}
