require("reflect-metadata");
const { NestFactory } = require("@nestjs/core");
const { Module, Controller, Get } = require("@nestjs/common");
class C {
  x() {
    return "nest";
  }
}
Get("/")(C.prototype, "x", Object.getOwnPropertyDescriptor(C.prototype, "x"));
Controller()(C);
class A {}
Module({ controllers: [C] })(A);
(async () => {
  const a = await NestFactory.create(A, { logger: false });
  await a.listen(0);
  console.log(await (await fetch(await a.getUrl())).text());
  process.exit();
})();
