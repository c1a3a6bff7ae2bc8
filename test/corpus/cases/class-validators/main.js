require("reflect-metadata");
const yup = require("yup");
yup
  .object({ a: yup.number().required() })
  .validate({})
  .catch((e) => console.log(e.errors));
const { validate, IsEmail, registerDecorator } = require("class-validator");
const { plainToInstance, Type } = require("class-transformer");
class User {}
IsEmail()(User.prototype, "email");
validate(Object.assign(new User(), { email: "x" })).then((e) => console.log(e[0].constraints));
console.log(plainToInstance(User, { email: "a@b.c" }));
const Ajv = require("ajv").default;
const standaloneCode = require("ajv/dist/standalone").default;
const addFormats = (() => {
  try {
    return require("ajv-formats");
  } catch {
    return undefined;
  }
})();
const ajv = new Ajv({ code: { source: true } });
addFormats?.(ajv);
const check = ajv.compile({ type: "object", properties: { a: { type: "string", minLength: 2 } } });
console.log(standaloneCode(ajv, check).length > 100, check({ a: "x" }), check({ a: "xx" }));
