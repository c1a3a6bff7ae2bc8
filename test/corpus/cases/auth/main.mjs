import * as jose from "jose";
import jwt from "jsonwebtoken";
import bcrypt from "bcrypt";
import bcryptjs from "bcryptjs";
import argon2 from "argon2";
import * as nodeArgon2 from "@node-rs/argon2";
import sodium from "sodium-native";
const key = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const token = await new jose.SignJWT({ a: 1 }).setProtectedHeader({ alg: "HS256" }).sign(key);
console.log((await jose.jwtVerify(token, key)).payload, jwt.verify(token, Buffer.from(key)));
const hash = await bcrypt.hash("secret", 4);
console.log(await bcrypt.compare("secret", hash), bcryptjs.compareSync("secret", hash));
console.log(
  await argon2.verify(await argon2.hash("x", { memoryCost: 1024 }), "x"),
  await nodeArgon2.verify(await nodeArgon2.hash("x"), "x"),
);
const out = Buffer.alloc(32);
sodium.crypto_generichash(out, Buffer.from("x"));
console.log(out.toString("hex"));
