export default ({ val_a, val_b }) => val_a + val_b;
