import "reflect-metadata";
import { container, injectable, singleton } from "tsyringe";
import { Container, inject, injectable as bound } from "inversify";
@singleton()
class Db {
  name = "db";
}
@injectable()
class Repo {
  constructor(public db: Db) {}
}
console.log(container.resolve(Repo).db.name);
@bound()
class Service {
  constructor(@inject("n") public n: number) {}
}
const c = new Container();
c.bind("n").toConstantValue(3);
c.bind(Service).toSelf();
console.log(
  c.get(Service).n,
  Reflect.getMetadata("design:paramtypes", Repo)?.map((x: Function) => x.name),
);
