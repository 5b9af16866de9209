/* layer_check.c: an empty program. A layer is linked into it whole, with only what stands below that layer. */
int main(void)
{
    return 0;
}
