const { Router } = require("express");
const router = Router();
router.get("/", (q, r) => r.json(["p"]));
module.exports = router;
