/*
 * Numbers as bytes in explicit order (big-endian), for everything that is on
 * disk.  put returns the place after, so that writers read like the format.
 */
#ifndef CU_BASE_BYTES_H
#define CU_BASE_BYTES_H

#include <apr.h>

static inline unsigned char *cu_put_u16(unsigned char *p, unsigned int v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
    return p + 2;
}

static inline unsigned char *cu_put_u32(unsigned char *p, apr_uint32_t v)
{
    p = cu_put_u16(p, v >> 16);
    return cu_put_u16(p, v & 0xffffU);
}

static inline unsigned char *cu_put_u64(unsigned char *p, apr_uint64_t v)
{
    p = cu_put_u32(p, (apr_uint32_t)(v >> 32));
    return cu_put_u32(p, (apr_uint32_t)(v & 0xffffffffU));
}

static inline unsigned int cu_get_u16(const unsigned char *p)
{
    return ((unsigned int)p[0] << 8) | p[1];
}

static inline apr_uint32_t cu_get_u32(const unsigned char *p)
{
    return ((apr_uint32_t)cu_get_u16(p) << 16) | cu_get_u16(p + 2);
}

static inline apr_uint64_t cu_get_u64(const unsigned char *p)
{
    return ((apr_uint64_t)cu_get_u32(p) << 32) | cu_get_u32(p + 4);
}

#endif
