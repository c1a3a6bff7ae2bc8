import "reflect-metadata";
import path from "node:path";
import { Column, DataSource, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn } from "typeorm";
import { Post } from "./entities/post";

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: "varchar" }) name!: string;
}
(async () => {
  const source = new DataSource({
    type: "sqljs",
    entities: [User, path.join(__dirname, "entities/*{.ts,.js}")],
    migrations: [path.join(__dirname, "migrations", "*.{ts,js}")],
    migrationsRun: false,
    synchronize: true,
    logging: false,
  });
  await source.initialize();
  const users = source.getRepository(User);
  await users.save({ name: "x" });
  console.log(
    await users.find(),
    source.entityMetadatas.map((m) => m.name).sort(),
    source.migrations.length,
    Post.name,
  );
  process.exit();
})();
