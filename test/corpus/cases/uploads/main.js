const express = require("express");
const multer = require("multer");
const { formidable } = require("formidable");
const compression = require("compression");
const helmet = require("helmet");
const app = express();
app.use(helmet(), compression());
app.post("/multer", multer({ dest: "/tmp/up" }).single("f"), (req, res) =>
  res.json({ name: req.file.originalname, size: req.file.size }),
);
app.post("/formidable", (req, res, next) =>
  formidable({ uploadDir: "/tmp" }).parse(req, (e, fields, files) =>
    e ? next(e) : res.json({ fields, n: files.f[0].size }),
  ),
);
app.get("/big", (req, res) => res.send("x".repeat(5000)));
const server = app.listen(0, async () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  for (const path of ["/multer", "/formidable"]) {
    const body = new FormData();
    body.set("f", new Blob(["hello"]), "a.txt");
    console.log(await (await fetch(base + path, { method: "POST", body })).text());
  }
  const big = await fetch(base + "/big");
  console.log(
    big.headers.get("content-encoding"),
    big.headers.get("content-security-policy").length,
    (await big.text()).length,
  );
  process.exit();
});
