import test from "ava";
import { isInternal, isLoopback } from "../../../src/store/registry/address.ts";

const internal = [
  "127.0.0.1",
  "127.8.9.1",
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "[::1]",
  "::",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "fc00::1",
  "::ffff:127.0.0.1",
  "::ffff:a00:1",
  "[::ffff:10.0.0.1]",
  "64:ff9b::7f00:1",
  "2002:7f00:1::",
  "ff02::1",
  "::127.0.0.1",
];
const external = [
  "8.8.8.8",
  "172.15.0.1",
  "172.32.0.1",
  "100.128.0.1",
  "192.169.0.1",
  "1.1.1.1",
  "2606:4700::1111",
  "2a00::",
  "::ffff:8.8.8.8",
  "64:ff9b::808:808",
  "2002:808:808::",
  "example.com",
  "localhost.example.com",
  "",
];

test("addresses of internal networks, also inside IPv6 ones", (t) => {
  for (const address of internal) t.true(isInternal(address), address);
});

test("addresses of the internet, and names", (t) => {
  for (const address of external) t.false(isInternal(address), address);
});

test("this host by definition", (t) => {
  for (const name of [
    "localhost",
    "LOCALHOST",
    "a.localhost",
    "localhost.",
    "127.0.0.1",
    "127.1.1.1",
    "::1",
    "[::1]",
  ]) {
    t.true(isLoopback(name), name);
  }
  for (const name of ["localhost.com", "notlocalhost", "10.0.0.1", "128.0.0.1", "127.example.com", "::2"]) {
    t.false(isLoopback(name), name);
  }
});
