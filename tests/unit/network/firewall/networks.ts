import type { FilteredNetwork, Forward } from "../../../../src/plan/step.ts";

export const forward = (parts: Partial<Forward> = {}): Forward => ({
  protocol: "tcp",
  hostIp: "",
  hostPort: 8080,
  address: "100.100.1.2",
  containerPort: 80,
  ...parts,
});

export const network = (parts: Partial<FilteredNetwork> = {}): FilteredNetwork => ({
  bridge: "dhow0",
  subnets: ["100.100.1.0/24"],
  internal: false,
  masquerade: true,
  forwards: [],
  ...parts,
});
