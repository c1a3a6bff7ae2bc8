const { z } = require("zod"),
  Ajv = require("ajv"),
  Joi = require("joi");
console.log(
  z.string().safeParse(1).success,
  new Ajv().compile({ type: "string" })(1),
  Joi.string().validate(1).error.message,
  require("jsonwebtoken").verify(require("jsonwebtoken").sign({ a: 1 }, "k", { noTimestamp: true }), "k"),
);
