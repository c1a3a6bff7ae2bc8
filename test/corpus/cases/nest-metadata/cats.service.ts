import { Injectable } from "@nestjs/common";
@Injectable()
export class CatsService {
  all(): string[] {
    return ["tom"];
  }
}
