//! File → file out of core: order, dense ↔ sparse, element type, format. A thin layer on copying from store to store.
