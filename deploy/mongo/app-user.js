// Run once by MongoDB's image when its data folder is empty: the user that the service logs in as
// may read and write the service's own database and nothing else.
const { readFileSync } = require("fs");

db.getSiblingDB("admin").createUser({
  user: "full_rag",
  pwd: readFileSync("/run/full-rag/app-password", "utf8").trim(),
  roles: [{ role: "readWrite", db: process.env.MONGO_DB || "full_rag" }],
});
