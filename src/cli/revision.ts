/** The options of the commands that write a revision of an image. */
import type { Option } from "./command.ts";

export const CHANGE: Option = {
  name: "change",
  short: "c",
  value: "INSTRUCTION",
  repeats: true,
  help: "apply an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, ...",
};

export const MESSAGE: Option = {
  name: "message",
  short: "m",
  value: "TEXT",
  help: "a remark for the image's history",
};
