import { assertEquals, assertThrows } from "@std/assert";
import { inspect } from "../../../../src/cli/format/inspect.ts";
import { describeImage, type ShownImage } from "../../../../src/cli/image/details.ts";
import { TemplateError } from "../../../../src/cli/template/error.ts";
import { archive } from "../../../support/image.ts";
import { RICH_IMAGE } from "../../../support/rich_image.ts";
import { asFile, withSource } from "../../../support/source.ts";
import { ERRORS, OUTPUTS } from "../../../support/templates.ts";

const image: ShownImage = await withSource(asFile(archive(RICH_IMAGE)), {}, ({ images }) => ({
  ...images[0]!,
  digests: [],
  size: "hello\nmore\n".length,
}));
const show = (template: string) => inspect(["rich"], template, () => describeImage(image));

for (const [template, output] of OUTPUTS) {
  Deno.test(`the template ${JSON.stringify(template)} prints what docker prints`, () => {
    assertEquals(show(template), { text: `${output}\n`, errors: [] });
  });
}

for (const [template, code, error] of ERRORS) {
  const message = `template parsing error: template: :${error}`;
  Deno.test(`the template ${JSON.stringify(template)} is refused in docker's words`, () => {
    if (code === 64) assertEquals(assertThrows(() => show(template), TemplateError).message, message);
    else {
      const { text, errors } = show(template);
      assertEquals([text, errors.map((each) => each.message)], ["\n", [message]]);
    }
  });
}
