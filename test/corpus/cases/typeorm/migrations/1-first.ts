import type { MigrationInterface } from "typeorm";
export class First1700000000000 implements MigrationInterface {
  async up() {}
  async down() {}
}
