import "reflect-metadata";
import { Body, Controller, Get, Module, Post, ValidationPipe, type INestApplication } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { IsInt, IsString } from "class-validator";
import { CatsService } from "./cats.service";

class CreateCat {
  @IsString() name!: string;
  @IsInt() age!: number;
}

@Controller("cats")
class CatsController {
  constructor(private readonly cats: CatsService) {}
  @Get() all() {
    return this.cats.all();
  }
  @Post() add(@Body() cat: CreateCat) {
    return { cat, type: Reflect.getMetadata("design:type", CreateCat.prototype, "age").name };
  }
}

@Module({ controllers: [CatsController], providers: [CatsService] })
class AppModule {}

(async () => {
  const app: INestApplication = await NestFactory.create(AppModule, { logger: false });
  app.useGlobalPipes(new ValidationPipe());
  await app.listen(0, "127.0.0.1");
  const url = `${await app.getUrl()}/cats`;
  const post = (body: unknown) =>
    fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  console.log(
    await (await fetch(url)).text(),
    await (await post({ name: "x", age: 1 })).text(),
    (await post({ name: 1 })).status,
  );
  process.exit();
})();
