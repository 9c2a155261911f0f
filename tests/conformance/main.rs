//! One suite for every way to keep a matrix: case × backend × device, each a test of its own name,
//! against the in-memory oracle.

mod cases;
mod crash;
mod entries;
mod faults;
mod growth;
mod medium;
mod model;
mod subject;

/// A test for every case on one backend and device.
macro_rules! suite {
    ($backend:ident on $device:ident: $($module:ident: $($case:ident)*;)*) => {
        mod $device {
            use crate::subject::{Device, Subject, backend};
            $($(#[test]
            fn $case() {
                crate::$module::$case(&Subject::new(backend::$backend, Device::$device));
            })*)*

            #[test]
            fn any_sequence_of_operations_agrees_with_the_oracle() {
                crate::model::agrees(&Subject::new(backend::$backend, Device::$device));
            }
        }
    };
}

macro_rules! backends {
    ($($name:ident = $backend:ident)*) => {
        $(mod $name {
            backends!(@devices $backend);

            #[test]
            fn a_fault_at_any_operation_of_a_fill_is_an_error_or_the_right_answer() {
                crate::faults::at_every_operation(crate::subject::backend::$backend);
            }
        })*
    };
    (@devices $backend:ident) => {
        backends!(@cases $backend mapped);
        backends!(@cases $backend positioned);
        backends!(@cases $backend memory);
        backends!(@cases $backend recording);
        backends!(@cases $backend faulty);
    };
    (@cases $backend:ident $device:ident) => {
        suite! { $backend on $device:
            cases:
            unwritten_cells_read_as_zero
            filled_columns_are_read_back_after_reopening
            every_selection_reads_what_the_oracle_reads
            every_selection_is_written_as_the_oracle_writes_it
            what_was_written_is_read_before_sync
            columns_in_any_order_and_group_keep_what_came_last
            columns_not_given_stay_as_they_are
            a_visit_shows_every_cell_once_in_order
            wrong_shapes_and_indices_are_refused_and_change_nothing
            empty_matrices_are_matrices
            the_digest_is_the_oracles
            nothing_appears_before_the_first_sync
            an_existing_file_is_kept_or_replaced_whole
            a_reader_cannot_write
            a_writer_excludes_others
            copies_are_equal_both_ways
            plans_name_steps_for_every_access
            special_values_keep_their_bits;
            entries:
            entries_of_every_selection_are_the_oracles
            a_selection_comes_in_either_order
            extents_are_where_elements_lie;
            growth:
            appended_lines_are_there_at_once_and_in_the_file_after_sync
            what_was_appended_and_not_synced_goes_with_its_handle
            a_new_file_grows_before_it_has_a_name
            lines_that_do_not_fit_are_refused_and_change_nothing
            empty_matrices_grow
            elements_of_any_size_are_appended
            a_store_is_appended_within_the_budget;
        }
    };
}

backends! {
    npy_c = NPY_C
    npy_fortran = NPY_FORTRAN
    raw_c = RAW_C
    sparse_csr = CSR
    sparse_csc = CSC
}

mod growth_is_broken_off {
    use crate::subject::backend;

    #[test]
    fn by_a_fault_at_any_operation_of_a_c_order_file() {
        crate::crash::at_every_operation(backend::NPY_C);
    }

    #[test]
    fn by_a_fault_at_any_operation_of_a_fortran_order_file() {
        crate::crash::at_every_operation(backend::NPY_FORTRAN);
    }

    #[test]
    fn by_a_power_cut_of_a_c_order_file() {
        crate::crash::at_any_moment(backend::NPY_C);
    }

    #[test]
    fn by_a_power_cut_of_a_fortran_order_file() {
        crate::crash::at_any_moment(backend::NPY_FORTRAN);
    }

    #[test]
    fn of_a_file_without_a_header() {
        crate::crash::without_a_header(backend::RAW_C);
    }
}
