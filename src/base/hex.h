/* Hexadecimal digits, as percent-encoding and the like have them. */
#ifndef CU_BASE_HEX_H
#define CU_BASE_HEX_H

/**
 * The value of one digit, either case.
 * @return 0 .. 15, or -1 when it is none; independent of the locale
 */
static inline int cu_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

#endif
