module.exports = { list: (q, r) => r.json({ limit: q.query.limit }) };
