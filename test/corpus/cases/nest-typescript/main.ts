import "reflect-metadata";
import { Body, Controller, Get, Injectable, Module, Param, Post } from "@nestjs/common";
import { ConfigModule, ConfigService } from "@nestjs/config";
import { NestFactory } from "@nestjs/core";
import { DocumentBuilder, SwaggerModule, ApiProperty } from "@nestjs/swagger";
import { IsString } from "class-validator";
import { Inject, ValidationPipe } from "@nestjs/common";

class Cat {
  @ApiProperty({ type: String })
  @IsString()
  name!: string;
}

@Injectable()
class CatsService {
  readonly cats: Cat[] = [];
}

@Controller("cats")
class CatsController {
  constructor(
    @Inject(CatsService) private readonly service: CatsService,
    @Inject(ConfigService) private readonly config: ConfigService,
  ) {}
  @Get(":id")
  one(@Param("id") id: string) {
    return { id, port: this.config.get("PORT_NAME", "none"), count: this.service.cats.length };
  }
  @Post()
  add(@Body() cat: Cat) {
    this.service.cats.push(cat);
    return cat;
  }
}

@Module({
  imports: [ConfigModule.forRoot({ ignoreEnvFile: true })],
  controllers: [CatsController],
  providers: [CatsService],
})
class AppModule {}

async function main() {
  const app = await NestFactory.create(AppModule, { logger: false });
  app.useGlobalPipes(new ValidationPipe({ expectedType: Cat }));
  const document = SwaggerModule.createDocument(app, new DocumentBuilder().setTitle("cats").build());
  SwaggerModule.setup("docs", app, document);
  await app.listen(0, "127.0.0.1");
  const url = await app.getUrl();
  console.log(await (await fetch(`${url}/cats/1`)).text());
  console.log(Object.keys(document.paths));
  for (const file of ["docs", "docs/swagger-ui.css", "docs-json"]) {
    const answer = await fetch(`${url}/${file}`);
    console.log(file, answer.status, (await answer.arrayBuffer()).byteLength);
  }
  process.exit();
}
main();
